"""The report in a real browser: every mark is drawn where it belongs, no text is covered, nothing is loaded."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dataflow import Network, expose_scores
from hwsim import unroll
from sim_tests.cases import CASES
from sim_tests.residual_cases import Block, residual_network
from xnorflow.folding import fold_to
from xnorflow.networks import open_network
from xnorflow.report import write_report
from xnorflow.timing import Build, routed_clock

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
    for (const e of [...svg.querySelectorAll("text, rect, path, line")].filter(e => !e.closest("defs"))) {
      const b = box(e);
      if (b[0] < frame[0] - 1 || b[1] < frame[1] - 1 || b[2] > frame[2] + 1 || b[3] > frame[3] + 1)
        seen.outside.push(e.outerHTML);
    }
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
      if (meets(box(a), box(b))) seen.covered.push(a.textContent + " / " + b.textContent);
    }));
  }
  const chart = document.querySelector("#pipeline svg"), axis = chart && box(chart.querySelector("line.axis"));
  for (const e of chart?.querySelectorAll("[data-mark=frame]") ?? []) {
    const b = box(e.querySelector(".span"));
    seen.bars.push([e.querySelector("title").textContent, (b[0] - axis[0]) / (axis[2] - axis[0]),
      (b[2] - axis[0]) / (axis[2] - axis[0])]);
    for (const path of e.querySelectorAll("path")) seen.fills.push(getComputedStyle(path).fill);
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


def look_at(page: Path, width: int = 1400) -> dict[str, Any]:
    """Return the probe's results for a page in a window of so many pixels."""
    assert BROWSER is not None
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
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


def residual() -> Network:
    """Shortcuts that cross the break between two bands, and one with a layer of its own."""
    return fold_to(residual_network((6, 6, 4), (Block(2), Block(2, project=6, shortcuts=2))), 1_500)


NETWORKS = {"dense": CASES[6].network, "convolutional": cache(convolutional), "residual": cache(residual)}


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
@pytest.mark.parametrize("built", [False, True], ids=["assumed", "built"])
@pytest.mark.parametrize("which", ["dense", "convolutional", "residual"])
def test_every_mark_is_drawn(which: str, built: bool, tmp_path: Path) -> None:
    network = NETWORKS[which]()
    frames, build = (3, None) if not built else (7, Build(figures_of_a_build(), routed_clock(24.0, 38.1, met=True)))
    network = expose_scores(network) if built else network
    write_report(network, tmp_path / "report.html", build=build, frames=frames)
    seen = look_at(tmp_path / "report.html")
    nodes, fifos = len(network.nodes), len(network.fifos)
    expected = {"node": nodes, "row": nodes + 1, "use": nodes, "frame": nodes * frames, "fifo": fifos, "curve": fifos}
    ends = {"end": len(network.inputs) + len(network.outputs)}
    cards = dict.fromkeys(["latency", "interval", "clock", "resources", *(["built"] if built else [])], 1)
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
    assert "rgb(0, 0, 0)" not in seen["fills"]


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
def test_the_probe_sees_what_is_wrong(tmp_path: Path) -> None:
    network = CASES[0].network()
    write_report(network, tmp_path / "report.html", frames=1)
    page = tmp_path / "report.html"
    wrong = "<style>[data-mark=curve] { display: none } [data-mark=frame] text, section { width: 3000px }</style>"
    text = page.read_text(encoding="utf-8").replace("</head>", f"{wrong}</head>", 1)
    text = text.replace(
        '<g data-mark="use"', '<text y="50" x="40">one</text><text y="50" x="42">two</text><g data-mark="use"', 1
    )
    page.write_text(text.replace("<rect class=", '<rect x="-99" width="9" height="9"/><rect class=', 1), "utf-8")
    seen = look_at(page)
    assert seen["marks"]["curve"] == 0
    assert "one / two" in seen["covered"]
    assert [text for text in seen["outside"] if "-99" in text] == seen["outside"] != []
    assert seen["wide"] > 0


def figures_of_a_build() -> dict[str, Any]:
    return {"board": "icebreaker", "luts": 2175, "ffs": 1700, "brams": 24, "dsps": 0}
