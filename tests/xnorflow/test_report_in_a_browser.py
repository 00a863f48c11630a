"""The report in a real browser: every mark is drawn where it belongs, no text is covered, nothing is loaded."""

import json
import os
import re
import shutil
import subprocess
from functools import cache, partial
from html import unescape
from math import floor
from pathlib import Path
from typing import Any

import pytest

from dataflow import Network, expose_scores, network_cost, node_cost
from hwsim import unroll
from sim_tests.cases import CASES, dense_case
from sim_tests.residual_cases import Block, residual_network
from xnorflow.folding import fold_to
from xnorflow.networks import open_network
from xnorflow.report import Subject, write_comparison, write_report
from xnorflow.timing import Build, Clock, routed_clock

BROWSERS = (
    "chromium",
    "chromium-headless-shell",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)

#: Options: no access to the network, and no sandbox if the browser cannot have one here.
FLAGS = [
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]

#: Measures the laid-out page and leaves the results in the document.
PROBE = """
<script>
addEventListener("load", () => {
  const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const common = (a, b, k) => Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]);
  const meets = (a, b) => common(a, b, 0) > 1 && common(a, b, 1) > 1;
  const seen = {marks: {}, outside: [], covered: [], bars: [], fills: []};
  for (const e of document.querySelectorAll("[data-mark]")) {
    const [left, top, right, bottom] = box(e), kind = e.dataset.mark;
    seen.marks[kind] ??= 0;
    if (right > left && (bottom > top || kind == "fifo")) seen.marks[kind] += 1;
  }
  for (const svg of document.querySelectorAll("svg")) {
    const frame = box(svg), texts = [...svg.querySelectorAll("text")];
    const drawn = [...svg.querySelectorAll("text, rect, path, line")].filter(e => e.getClientRects().length);
    for (const e of drawn.filter(e => !e.closest("defs"))) {
      const b = box(e);
      if (b[0] < frame[0] - 1 || b[1] < frame[1] - 1 || b[2] > frame[2] + 1 || b[3] > frame[3] + 1)
        seen.outside.push(e.outerHTML);
    }
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
      if (meets(box(a), box(b))) seen.covered.push(a.textContent + " / " + b.textContent);
    }));
  }
  for (const row of document.querySelectorAll(".rows")) {
    const texts = [...row.querySelectorAll(".name, .value, .ticks span, .row svg, .bar")];
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
      if (meets(box(a), box(b))) seen.covered.push(a.textContent + " / " + b.textContent);
    }));
  }
  for (const e of document.querySelectorAll("#pipeline [data-mark=frame]")) {
    const b = box(e.querySelector(".span")), axis = box(e.closest("svg"));
    seen.bars.push([e.querySelector("title").textContent, (b[0] - axis[0]) / (axis[2] - axis[0]),
      (b[2] - axis[0]) / (axis[2] - axis[0])]);
    for (const path of e.querySelectorAll("path")) seen.fills.push(getComputedStyle(path).fill);
  }
  const zoom = document.querySelector(".zoom"), view = () => zoom.querySelector(".row svg").getAttribute("viewBox");
  const press = key => zoom.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const state = () => [view(), getComputedStyle(zoom.querySelector(".fine") ?? zoom).display,
    zoom.querySelector("output").textContent, zoom.querySelectorAll(".ticks span").length];
  const after = key => { if (key) press(key); return state(); };
  seen.zoom = zoom ? [null, "+", "+", "ArrowLeft", "-", "ArrowRight", "0"].map(after) : [];
  const table = document.querySelector("table.sortable"), shown = column =>
    [...table.tBodies[0].rows].map(row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim());
  seen.sorted = [];
  for (const column of table ? [0, 7, 7, 7] : []) {
    table.tHead.rows[0].cells[column].querySelector("button").click();
    seen.sorted.push(shown(column));
  }
  seen.wide = document.documentElement.scrollWidth - innerWidth;
  seen.loaded = performance.getEntriesByType("resource").map(e => e.name);
  const pre = document.createElement("pre");
  pre.id = "seen";
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
});
</script>
"""


def look_at(page: Path, width: int = 1400, probe: str = PROBE) -> dict[str, Any]:
    """Return the probe's results for a page in a window of so many pixels."""
    assert BROWSER is not None
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", probe + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--window-size={width},900",
            f"--user-data-dir={page.parent / 'profile'}",
            "--dump-dom",
            probed.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return dict(json.loads(unescape(found[1])))


def convolutional() -> Network:
    return fold_to(open_network("cnv-mnist-small"), 38_400)


@cache
def residual(interval: int = 1_500) -> Network:
    """Shortcuts that cross the break between two bands, and one with a layer of its own."""
    return fold_to(residual_network((6, 6, 4), (Block(2), Block(2, project=6, shortcuts=2))), interval)


NETWORKS = {"dense": partial(dense_case, "ragged"), "convolutional": convolutional, "residual": cache(residual)}


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
@pytest.mark.parametrize(
    ("which", "built"),
    [("dense", True), pytest.param("convolutional", True, marks=pytest.mark.slow), ("residual", False)],
)
def test_every_mark_is_drawn(which: str, built: bool, tmp_path: Path) -> None:
    network = NETWORKS[which]()
    frames, build = (3, None) if not built else (7, Build(figures_of_a_build(), routed_clock(24.0, 38.1, met=True)))
    network = expose_scores(network) if built else network
    subject = Subject(network, build=build, board="icebreaker" if built else None)
    write_report(subject, tmp_path / "report.html", frames=frames)
    seen = look_at(tmp_path / "report.html", 520 if built else 1400)
    nodes, fifos = len(network.nodes), len(network.fifos)
    expected = {"node": nodes, "row": nodes + 1, "use": nodes, "frame": nodes * frames, "fifo": fifos, "curve": fifos}
    ends = {"end": len(network.inputs) + len(network.outputs)}
    cards = dict.fromkeys(["latency", "interval", "clock", "resources", *(["built", "board"] if built else [])], 1)
    cards |= {"accuracy": 1} if which == "convolutional" else {}
    if built:  # a narrow page has a picture of its own
        expected |= {"node": 0, "fifo": 0, "hop": 2}
        ends = {"end": 0}
    assert seen["marks"] == expected | ends | cards
    assert seen["outside"] == seen["covered"] == seen["loaded"] == []
    assert seen["wide"] <= 0
    timeline = unroll(network, frames)
    spans = [(node.name, frame, *node.spans[frame].tolist()) for node in timeline.nodes for frame in range(frames)]
    for (name, frame, start, stop), (title, left, right) in zip(spans, seen["bars"], strict=True):
        assert title.startswith(f"{name}, frame {frame + 1}: cycles {start:,} to {stop - 1:,};")
        assert left == pytest.approx(start / timeline.cycles, abs=0.002)
        assert right == pytest.approx(stop / timeline.cycles, abs=0.002)
    assert len(set(seen["fills"])) == min(5, frames)
    check_zoom(seen["zoom"], timeline.cycles)
    names, *costs = seen["sorted"]
    assert names == sorted(names, key=natural)
    assert costs[0] == sorted(costs[0], key=int, reverse=True)
    assert costs[1] == sorted(costs[1], key=int)
    assert costs[2] == [
        *(str(node_cost(node, "ecp5").luts) for node in network.nodes),
        str(network_cost(network, "ecp5").luts - sum(node_cost(node, "ecp5").luts for node in network.nodes)),
    ]
    assert "rgb(0, 0, 0)" not in seen["fills"]


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Return the order of a name in which numbers count as such."""
    parts = re.findall(r"\d+|[^\d]", text.lower().replace("_", " "))
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def check_zoom(states: list[list[Any]], cycles: int) -> None:
    """Check what a page shows at first and after the keys +, +, left, -, right and 0."""
    shares = [(float(left) / 1000, float(width) / 1000) for left, _, width, _ in (view.split() for view, *_ in states)]
    expected = [(0, 1), (1 / 4, 1 / 2), (3 / 8, 1 / 4), (5 / 16, 1 / 4), (3 / 16, 1 / 2), (5 / 16, 1 / 2), (0, 1)]
    assert [share for share in shares for share in share] == pytest.approx([each for pair in expected for each in pair])
    assert states[0] == states[-1]
    assert states[0][2] == f"all {cycles:,} cycles"
    assert states[2][2] == f"cycles {js_round(cycles * 3 / 8):,} to {js_round(cycles * 5 / 8):,} of {cycles:,}"
    assert all(1 <= ticks <= 11 for *_, ticks in states)
    if states[0][1] == "none":  # there are finer outlines, which show when one zooms in
        assert [display for _, display, *_ in states] == ["none", "none", *["inline"] * 2, *["none"] * 3]


def js_round(value: float) -> int:
    return floor(value + 0.5)


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
def test_two_networks_side_by_side(tmp_path: Path) -> None:
    small, large = residual(700), residual()
    subjects = Subject(small, title="fast.xnf"), Subject(large, "ice40", Clock(24.0), title="small.xnf")
    timings = write_comparison(*subjects, tmp_path / "report.html", frames=2)
    assert timings[0].interval < timings[1].interval
    seen = look_at(tmp_path / "report.html", 520)
    networks = small, large
    nodes = [node.name for network in networks for node in network.nodes]
    fifos = [fifo.name for network in networks for fifo in network.fifos]
    assert seen["marks"] == {
        "figure": 13,
        "row": len(set(nodes)),
        "use": len(nodes),
        "frame": 2 * len(nodes),
        "fifo-row": len(set(fifos)),
        **dict.fromkeys(["node", "fifo", "end"], 0),  # the narrow page has pictures of its own
    }
    assert seen["outside"] == seen["covered"] == seen["loaded"] == []
    assert seen["wide"] <= 0
    cycles = max(unroll(network, 2).cycles for network in networks)
    check_zoom(seen["zoom"], cycles)
    lasts = [max(right for title, _, right in seen["bars"][:count]) for count in (2 * len(small.nodes), None)]
    assert lasts == pytest.approx([unroll(network, 2).cycles / cycles for network in (small, large)], abs=0.003)


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
def test_the_probe_sees_what_is_wrong(tmp_path: Path) -> None:
    network = CASES[0].network()
    write_report(Subject(network), tmp_path / "report.html", frames=1)
    page = tmp_path / "report.html"
    wrong = "<style>[data-mark=curve] { display: none } [data-mark=frame] text, section { width: 3000px }</style>"
    text = page.read_text(encoding="utf-8").replace("</head>", f"{wrong}</head>", 1)
    text = text.replace(
        '<g data-mark="node"', '<text y="50" x="40">one</text><text y="50" x="42">two</text><g data-mark="node"', 1
    )
    text = text.replace('class="value">', 'class="value" style="position: relative; left: -60px">', 1)
    page.write_text(text.replace("<rect class=", '<rect x="-99" width="9" height="9"/><rect class=', 1), "utf-8")
    seen = look_at(page)
    assert seen["marks"]["curve"] == 0
    assert "one / two" in seen["covered"]
    assert any("% busy" in text for text in seen["covered"])
    assert [text for text in seen["outside"] if "-99" in text] == seen["outside"] != []
    assert seen["wide"] > 0


def figures_of_a_build() -> dict[str, Any]:
    hops = [
        {"place": "fc0", "cell": "popcount_1.ones_0", "logic_ns": 1.39, "routing_ns": 0.0},
        {"place": "FIFO fc0", "cell": "level_SB_LUT4_O", "logic_ns": 0.87, "routing_ns": 1.76},
    ]
    used = {"board": "icebreaker", "luts": 2175, "ffs": 1700, "brams": 24, "dsps": 0}
    return {**used, "critical_path": hops, "critical_ns": 4.02, "critical_way": "fc0 → FIFO fc0"}
