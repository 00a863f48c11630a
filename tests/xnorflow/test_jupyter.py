"""What notebooks show: each type gives HTML with its content, which stands alone beside other outputs."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflow import Network
from hwsim import random_stalls, simulate, unroll
from rtl.bitstream import BitstreamReport
from rtl.bitstream.critical import Hop
from rtl.bitstream.report import Use
from sim_tests.cases import dense_network
from sim_tests.comparison import Mismatch
from sim_tests.verification import Verification
from tests.xnorflow.exploring.test_space import in_file
from tests.xnorflow.exploring.test_study import HARDWARE
from tests.xnorflow.test_report_in_a_browser import BROWSER, BROWSERS, look_at, residual
from tests.xnorflow.test_training_report import metrics
from xnorflow import explore, fold, jupyter
from xnorflow.exploring import Front
from xnorflow.exploring import explore as explored
from xnorflow.report import notebook
from xnorflow.target import remembered

pytestmark = pytest.mark.long

PROOF = Verification("rtl", "icarus", "reference", 3, 4, 1234, 2468, 0, 0, 777)

HOPS = (Hop("fc0", "weights", 5.5, 0.0), Hop("fc0.width -> fc1", "level", 0.25, 2.25))

BUILD = BitstreamReport(
    "tiny<1>",
    "icebreaker",
    "iCE40UP5K",
    1056,
    800,
    15,
    0,
    1300,
    25.5,
    24.0,
    90,
    3.75,
    48,
    5e5,
    Path("top.bin"),
    "0",
    7.0,
)


BUILT = replace(BUILD, critical_path=HOPS, places={"fc0": Use(500, 300, 14, 0), "serial link": Use(390, 201, 1, 0)})


@pytest.fixture(scope="module")
def network() -> Network:
    return fold(dense_network((16, 8, 4)), interval=16, family="ice40")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Front:
    folder = tmp_path_factory.mktemp("front")
    return explore(in_file(folder, HARDWARE), folder / "out")


def text_of(html: str) -> str:
    """Return the text of a piece of HTML, without its styles."""
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))
    return " ".join(words.split())


def test_a_network_is_a_picture_and_a_table(network: Network) -> None:
    html = notebook.network_html(network)
    text = text_of(html)
    assert text.startswith("dense-16-8-4 5 nodes, 6 FIFOs, 160 bits of weights, 160 products per frame. Interval 16")
    assert "estimated for ice40" in text
    for node in network.nodes:
        assert f'<td title="{node.name}">' in html
        assert f">{node.name}</text>" in html
    assert html.count("<svg") == 2
    assert repr(network) == "<Network 'dense-16-8-4': 5 nodes, 6 FIFOs, 160 bits of weights, interval 16 cycles>"


def test_a_run_is_its_figures_and_its_pipeline(network: Network) -> None:
    run = simulate(network, 10)
    html, text = notebook.run_html(run), text_of(notebook.run_html(run))
    assert text.startswith(f"dense-16-8-4: 10 frames in {run.total} cycles Latency {run.first_frame_latency} cycles")
    assert "Interval 16 cycles" in text
    assert html.count('data-mark="frame"') == 3 * len(network.nodes)
    assert html.count('data-mark="use"') == len(network.nodes)
    assert html.count('data-mark="fifo-row"') == len(network.fifos)
    assert len(repr(run)) < 300


def test_the_pipeline_has_the_stalls_of_the_run(network: Network) -> None:
    stalls = random_stalls(network, 1)
    run = simulate(network, 2, stalls=stalls)
    spans = unroll(network, 2, stalls=stalls).nodes[0].spans
    assert f"frame 2: cycles {spans[1, 0]} to {spans[1, 1] - 1};" in notebook.run_html(run)


def test_a_long_run_is_not_unrolled(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "MOST_CYCLES", 10)
    html = notebook.run_html(simulate(network, 10))
    assert "too long to draw here" in html
    assert 'data-mark="frame"' not in html
    assert 'data-mark="use"' in html


def test_a_timeline_is_its_pipeline(network: Network) -> None:
    timeline = unroll(network, 2)
    assert notebook.timeline_html(timeline).count('data-mark="frame"') == 2 * len(network.nodes)
    assert repr(timeline) == f"Timeline(frames=2, cycles={timeline.cycles})"


def test_a_proof() -> None:
    text = text_of(notebook.verification_html(PROOF))
    assert text.startswith("RTL in icarus: equal 3 frames in 777 cycles.")
    assert "beats of 4 streams 1,234 0 cycle numbers 2,468 0" in text
    wrong = Mismatch("fc0 -> fc1", "read", 0, 1, "value", 17, 1, 0)
    html = notebook.verification_html(replace(PROOF, value_mismatches=1, first=(wrong,), stood="fc1 <stands>"))
    assert "NOT equal" in html
    assert html.count('data-mark="mismatch"') == 1
    assert "fc1 &lt;stands&gt;" in html
    assert "nothing compared" in notebook.verification_html(replace(PROOF, beats_compared=0))


def test_a_bitstream() -> None:
    html = notebook.bitstream_html(BUILT)
    text = text_of(html)
    assert text.startswith("tiny&lt;1&gt; on icebreaker: clock met Clock 24 MHz routed for 25.5 MHz")
    assert "LUTs 1,056 5,280 20 %" in text
    assert "Critical path, 8.00 ns: fc0 → fc0.width -&gt; fc1" in text
    assert html.count('data-mark="hop"') == 2
    assert "serial link 390 37 %" in text
    assert "clock NOT met" in notebook.bitstream_html(replace(BUILD, fmax_mhz=20.0))
    assert "has" not in text_of(notebook.bitstream_html(replace(BUILD, board="one of my own")))
    assert len(repr(replace(BUILD, critical_path=HOPS * 50))) < 500


@pytest.mark.train
def test_a_training() -> None:
    from quant.training import TrainingResult

    result = TrainingResult(Path("run/model.onnx"), Path("c"), Path("m"), 0.8125, metrics(accuracy=0.8125))
    html = notebook.training_html(result)
    assert text_of(html).startswith("mine: accuracy 81.2 % 6 of 8 epochs in 1 h 06 min, react on cifar10"), text_of(
        html
    )
    assert html.count('data-mark="curve"') >= 3
    assert len(repr(result)) < 200


def test_a_front_is_a_list_that_shows_itself(front: Front) -> None:
    html = front._repr_html_()
    rates = [point.evaluation.figures["fps"] for point in front]
    assert rates == sorted(rates, reverse=True)
    assert isinstance(front, list)
    assert html.count('data-mark="point"') == len(front.points) > len(front)
    assert html.count('class="point front"') == len(front) + 1  # and in the legend
    assert html.count('data-mark="row"') == len(front)
    assert text_of(html).startswith(f"tfc-w1a1: {len(front)} of 10 points on the front")
    lines = repr(front).splitlines()
    assert lines[0] == f"<Front: {len(front)} of 10 points>"
    assert [line.split(":")[0] for line in lines[1:]] == [f"  point {point.number}" for point in front]


def test_what_breaks_a_constraint_is_left_out_of_the_picture(front: Front) -> None:
    large = replace(front[0], evaluation=replace(front[0].evaluation, reason="luts is 2,163"))
    others = [point for point in front.points if point is not front[0]]
    html = Front(front.space, [large, *others], front.folder)._repr_html_()
    assert html.count('data-mark="point"') == 9
    assert "Left out of the picture: 1 that break a constraint." in html


def test_the_network_of_a_point(front: Front) -> None:
    point = front[0]
    network = front.network(point)
    assert network.name == f"tfc-w1a1-point-{point.number}"
    assert simulate(network, 3).interval == point.evaluation.interval
    assert {node.name: dict(node.folding) for node in network.nodes if node.folding} == point.evaluation.folding
    target = remembered(network)
    assert target is not None
    assert target.board == "icebreaker"


def test_a_front_without_points(tmp_path: Path) -> None:
    space = in_file(tmp_path, HARDWARE.replace("most = 2600", "most = 1").replace("points = 10", "points = 2"))
    front = Front(space, explored(space, tmp_path / "out"), tmp_path / "out")
    assert len(front) == 0
    assert "0 of 2 points on the front" in front._repr_html_()
    assert front._repr_html_().count('class="point refused"') == 2 + 1  # and in the legend
    assert repr(front) == "<Front: 0 of 2 points>"
    empty = Front(space, [], tmp_path / "out")
    assert "<circle" not in empty._repr_html_()


def all_pieces(network: Network, front: Front) -> list[str]:
    run = simulate(network, 4)
    pieces = [notebook.network_html(network), notebook.run_html(run), notebook.timeline_html(unroll(network, 2))]
    pieces += [notebook.verification_html(PROOF), notebook.bitstream_html(BUILT)]
    return [*pieces, front._repr_html_()]


def test_outputs_share_no_ids_and_load_nothing(network: Network, front: Front) -> None:
    ids = [
        name for _ in range(2) for html in all_pieces(network, front) for name in re.findall(r'\bid="([^"]*)"', html)
    ]
    assert len(ids) == len(set(ids)) == 4
    for html in all_pieces(network, front):
        assert set(re.findall(r"url\(#([^)]*)\)", html)) <= set(re.findall(r'\bid="([^"]*)"', html))
        assert not re.search(r"<script|<link|https?://(?!www\.w3\.org)|@import", html)


#: Measures the pieces of a page and leaves the results in the document.
PROBE = """
<script>
addEventListener("load", () => {
  const seen = {marks: {}, covered: [], wide: document.documentElement.scrollWidth - innerWidth, outside: []};
  const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const common = (a, b, k) => Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]);
  for (const e of document.querySelectorAll("[data-mark]")) {
    const b = e.getBoundingClientRect();
    const shown = b.width > 0 && (b.height > 0 || e.dataset.mark == "fifo");
    seen.marks[e.dataset.mark] = (seen.marks[e.dataset.mark] ?? 0) + shown;
  }
  for (const svg of document.querySelectorAll(".xnorflow svg")) {
    const texts = [...svg.querySelectorAll("text")].filter(e => e.getClientRects().length);
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
      if (common(box(a), box(b), 0) > 1 && common(box(a), box(b), 1) > 1)
        seen.covered.push(a.textContent + " / " + b.textContent);
    }));
  }
  const style = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
  seen.paper = style(".xnorflow-network", "backgroundColor");
  seen.other = style("#other td", "padding");
  seen.loaded = performance.getEntriesByType("resource").map(e => e.name);
  const pre = document.createElement("pre");
  pre.id = "seen";
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
@pytest.mark.parametrize(
    ("width", "attributes", "paper"),
    [
        (1200, 'data-jp-theme-light="true"', "rgb(255, 255, 255)"),
        (520, 'data-jp-theme-light="false"', "rgb(27, 34, 42)"),
        (820, 'class="vscode-dark"', "rgb(27, 34, 42)"),
    ],
)
def test_outputs_in_a_page(
    width: int, attributes: str, paper: str, network: Network, front: Front, tmp_path: Path
) -> None:
    pieces = [*all_pieces(network, front), notebook.network_html(residual())]
    other = '<table id="other"><tr><td style="">text</td></tr></table>'
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><html><body {attributes}>{''.join(pieces)}{other}</body></html>", encoding="utf-8")
    seen = look_at(page, width, PROBE)
    assert seen["wide"] <= 0
    assert seen["covered"] == []
    assert seen["loaded"] == []
    assert seen["paper"] == paper
    assert seen["other"] == "1px"  # styles end with their output
    nodes, fifos = (len(getattr(network, name)) + len(getattr(residual(), name)) for name in ("nodes", "fifos"))
    if width == 1200:
        assert seen["marks"]["node"] == nodes
        assert seen["marks"]["fifo"] == fifos
    assert seen["marks"]["point"] == len(front.points)


def run_python(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_without_ipython_nothing_is_imported() -> None:
    run_python(
        "import sys, xnorflow\n"
        "assert not {'IPython', 'xnorflow.jupyter', 'xnorflow.report'} & set(sys.modules)\n"
        "sys.modules['IPython'] = None\n"
        "import dataflow, hwsim"
    )


def test_without_a_shell_nothing_is_registered() -> None:
    run_python("import IPython, xnorflow\nassert IPython.get_ipython() is None")


def test_an_import_in_a_shell_registers(tmp_path: Path) -> None:
    run_python(
        "import sys\n"
        "from IPython.core.history import HistoryManager\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "HistoryManager.enabled = False\n"
        "shell = InteractiveShell.instance()\n"
        "assert shell.run_cell('import xnorflow as xf').success\n"
        "assert not {'xnorflow.report', 'dataflow', 'hwsim', 'numpy'} & set(sys.modules)\n"
        "shell.run_cell('from sim_tests.cases import dense_network; network = dense_network((16, 8, 4))')\n"
        "result = shell.run_cell('network')\n"
        "assert result.success\n"
        "shown, _ = shell.display_formatter.format(result.result)\n"
        "assert 'xnorflow-network' in shown['text/html'], shown\n"
        "assert shown['text/plain'].startswith('<Network '), shown\n"
        "result = shell.run_cell('xf.simulate(network, 3)')\n"
        "assert 'Latency' in shell.display_formatter.format(result.result)[0]['text/html']\n",
        IPYTHONDIR=str(tmp_path),
    )


def test_a_formatter_knows_every_type(network: Network) -> None:
    from IPython.core.formatters import DisplayFormatter

    class Shell:
        display_formatter = DisplayFormatter()

    jupyter.load_ipython_extension(Shell())
    shown: list[Any] = [network, simulate(network, 2), unroll(network, 2), PROOF, BUILD]
    for thing in shown:
        content, _ = Shell.display_formatter.format(thing)
        assert set(content) == {"text/plain", "text/html"}
        assert '<div class="xnorflow ' in content["text/html"]
    for module, name in jupyter.TYPES:
        if module not in ("quant.training",):
            assert name in dir(sys.modules[module])
