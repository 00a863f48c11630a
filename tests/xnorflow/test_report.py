"""The report: its charts compared with the recorded cycles. `test_report_in_a_browser` uses a real browser."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import Fifo, InputError, Network, expose_scores, network_cost
from dataflow.nodes import Fork
from hwsim import random_stalls, simulate, unroll
from hwsim.timeline import BLOCKED, BUSY
from sim_tests.cases import CASES, dense_case, dense_network
from xnorflow.report import Subject, write_report
from xnorflow.report.charts import axis_of, bars_of, blocked_of, curve_of, runs
from xnorflow.report.graph import BOX, BOX_HEIGHT, Drawing, drawing_of
from xnorflow.timing import Clock

NETWORK = dense_case("inert-wide")


def columns_of(outline: str) -> list[tuple[float, float]]:
    """Return left and right of each rectangle of an outline."""
    return [(float(left), float(right)) for left, right in re.findall(r"M([\d.]+) 0H([\d.]+)V", outline)]


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_the_runs(flags: list[bool]) -> None:
    found = runs(np.array(flags, bool))
    assert [place for start, stop in found for place in range(start, stop)] == np.flatnonzero(flags).tolist()
    assert all(stop < start for (_, stop), (start, _) in pairwise(found))


@given(st.integers(1, 10**7), st.integers(2, 12))
def test_an_axis_has_few_round_ticks(cycles: int, most: int) -> None:
    axis = axis_of(cycles, 100.0, most_ticks=most)
    assert 1 <= len(axis.ticks) <= most + 1
    assert axis.ticks[0] == 0
    assert axis.ticks[-1] <= cycles
    assert all(tick == 0 or re.fullmatch(r"[125]0*", str(axis.ticks[1])) for tick in axis.ticks)
    assert axis.columns <= 460
    assert axis.column_x(axis.columns) == axis.x(cycles) == 100.0


@given(st.integers(1, 10**9))
def test_labels_of_an_axis_stand_side_by_side_within_it(cycles: int) -> None:
    axis = axis_of(cycles, 340.0, most_ticks=3)
    sides = []
    for tick in axis.ticks:
        width = 7 * len(f"{tick:,}")
        sides.append(axis.x(tick) - {"start": 0, "middle": width / 2, "end": width}[axis.anchor(tick)])
        sides.append(sides[-1] + width)
    assert sides == sorted(sides)
    assert sides[0] == 0
    assert sides[-1] <= 340.0


@pytest.mark.parametrize("scale", [1, 7])
def test_bars_and_curves_are_the_recorded_cycles(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = unroll(NETWORK, 3, stalls=random_stalls(NETWORK, 1))
    monkeypatch.setattr("xnorflow.report.charts.COLUMNS", -(-timeline.cycles // scale))
    axis = axis_of(timeline.cycles, float(timeline.cycles))  # one pixel per cycle
    assert axis.per_column == scale
    borders = np.arange(axis.columns + 1) * scale
    for node in timeline.nodes:
        doing = np.repeat(node.spells.states, node.spells.stops - node.spells.starts)
        all_steps = np.flatnonzero(doing == BUSY).reshape(3, node.steps)
        for bar, steps in zip(bars_of(node, axis, 9.0), all_steps, strict=True):
            busy = np.zeros(axis.columns * scale, int)
            busy[steps] = 1
            shares = busy.reshape(-1, scale).mean(axis=1)
            drawn = np.zeros(axis.columns)
            for outline, share in ((bar.some, 0.25), (bar.much, 1.0)):
                for left, right in columns_of(outline):
                    drawn[(borders[:-1] >= left) & (borders[:-1] < right)] = share
            assert drawn.tolist() == np.where(shares >= 0.5, 1.0, np.where(shares > 0, 0.25, 0.0)).tolist()
            assert (bar.start, bar.stop) == (steps[0], steps[-1] + 1)
            assert bar.stop - bar.start == len(steps) + bar.starved + bar.blocked
        waits = np.zeros(axis.columns * scale)
        waits[: len(doing)] = doing == BLOCKED
        blocked = np.zeros(axis.columns, bool)
        for left, right in columns_of(blocked_of(node, axis, 3.0)):
            blocked[(borders[:-1] >= left) & (borders[:-1] < right)] = True
        counted = np.minimum(borders[1:], axis.cycles) - borders[:-1]
        assert blocked.tolist() == (waits.reshape(-1, scale).sum(axis=1) / counted >= 0.5).tolist()
    for fifo in timeline.fifos:
        level = np.zeros(axis.cycles)
        for write, read in zip(fifo.writes.ravel(), fifo.reads.ravel(), strict=True):
            level[write + 1 : read + 1] += 1
        curve = curve_of(fifo, axis, float(fifo.depth))
        parts = [level[start : start + scale] for start in borders[:-1]]
        most = [fifo.depth - float(y) for y in re.findall(r"V([\d.]+)H", curve.most)]
        assert most == pytest.approx([part.max() for part in parts], abs=0.006)
        mean = [fifo.depth - float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", curve.mean)]
        assert mean == pytest.approx([part.mean() for part in parts], abs=0.006)
        assert (curve.highest, curve.average) == (level.max(), pytest.approx(level.mean()))


def network_with_a_shortcut(length: int) -> Network:
    """Return a chain of forks, of which the first and the last also lead to outputs of their own."""
    network = dense_network((6, 4), outputs="scores")
    element, shape = network.outputs[0].stream.element, network.outputs[0].stream.shape
    forks = [Fork(f"fork{k}", element, shape) for k in range(length)]
    chain = [fifo for fifo in network.fifos if fifo.target != "scores"]
    chain += [Fifo("fc0", "fork0"), Fifo("fork0", "early", 1)]
    chain += [Fifo(f"fork{k}", f"fork{k + 1}") for k in range(length - 1)]
    chain += [Fifo(f"fork{k}", f"side{k}", 1) for k in range(1, length)] + [Fifo(f"fork{length - 1}", "scores")]
    ends = ["early", *(f"side{k}" for k in range(1, length)), "scores"]
    terminals = tuple(type(network.outputs[0])(end, network.outputs[0].stream) for end in ends)
    return Network(
        "shortcut", (*network.nodes, *forks), tuple(chain), network.inputs, terminals, network.frame_shape, None
    )


def points_of(path: str) -> list[tuple[float, float]]:
    """Return the points of a path with absolute M, C, V and H, and relative h."""
    points, (x, y) = [], (0.0, 0.0)
    for command, text in re.findall(r"([MChVH])([^MChVH]*)", path):
        numbers = [float(number) for number in text.split()]
        match command:
            case "h":
                x += numbers[0]
            case "H":
                x = numbers[0]
            case "V":
                y = numbers[0]
            case _:
                x, y = numbers[-2:]
        points.append((x, y))
    return points


def check_graph(network: Network, graph: Drawing) -> None:
    corners = {box.name: (box.x, box.y) for box in graph.boxes}
    ends = {terminal.name for terminal in (*network.inputs, *network.outputs)}
    assert set(corners) == ends | {node.name for node in network.nodes}
    assert {box.name for box in graph.boxes if box.is_end} == ends
    places = list(corners.values())
    for number, (x, y) in enumerate(places):
        assert 0 <= x <= graph.width - BOX
        assert 0 <= y <= graph.height - BOX_HEIGHT
        assert all(abs(x - u) >= BOX or abs(y - v) >= BOX_HEIGHT for u, v in places[:number])
    assert [link.fifo for link in graph.links] == list(network.fifos)
    for link in graph.links:
        points = points_of(link.path)
        (x1, y1), (x2, y2) = corners[link.fifo.source], corners[link.fifo.target]
        assert points[0][0] == x1 + BOX
        assert y1 < points[0][1] < y1 + BOX_HEIGHT
        assert points[-1][0] == x2 - 3
        assert y2 < points[-1][1] < y2 + BOX_HEIGHT
        assert all(0 <= x <= graph.width and 0 <= y <= graph.height for x, y in points)


@pytest.mark.parametrize("width", [200, 700, 1160])
@pytest.mark.parametrize(
    "network",
    [NETWORK, expose_scores(CASES[0].network()), network_with_a_shortcut(2), network_with_a_shortcut(9)],
    ids=["chain", "fork", "two", "many"],
)
def test_the_picture_has_every_node_and_fifo(network: Network, width: int) -> None:
    graph = drawing_of(network, width=width)
    assert graph.width <= max(width, 300)
    check_graph(network, graph)


def test_lines_at_the_left_pass_beside_the_labels() -> None:
    graph = drawing_of(network_with_a_shortcut(9), width=700)
    label = min(link.label_x for link in graph.links) - 38  # the maximum width of a label
    lefts = [float(x) for link in graph.links for x in re.findall(r"H([\d.]+)V", link.path)]
    assert len(set(lefts)) > 1
    assert all(x < label for x in lefts)


def test_ports_keep_their_order() -> None:
    graph = drawing_of(expose_scores(CASES[0].network()))
    place = {box.name: box.y for box in graph.boxes}
    assert place["scores"] < place["arg_max"]


def test_a_page_tells_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    timing = write_report(Subject(NETWORK, "ice40", Clock(24.0, note="as given, not built")), path, frames=2)
    run = simulate(NETWORK, 10)
    assert (timing.latency, timing.interval) == (run.first_frame_latency, run.interval)
    text = path.read_text(encoding="utf-8")
    assert f"{timing.latency:,} cycles" in text
    assert f"{timing.interval:,} cycles" in text
    assert f"{timing.fps:,.0f} frames per second" in text
    assert '<span class="badge assumed">as given, not built</span>' in text
    assert f"{network_cost(NETWORK, 'ice40').luts:,} LUTs" in text
    assert "estimated for ice40" in text
    assert not re.search(r"(src|href)\s*=|url\((?!#)|@import", text)


def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    network = dense_network((2, 1))
    odd = "<b>&fc0 with a name that is much too long for any box</b>"
    node = type(network.nodes[1])(odd, network.nodes[1].weights, network.nodes[1].thresholds)
    fifos = tuple(
        Fifo(odd if f.source == "fc0" else f.source, odd if f.target == "fc0" else f.target) for f in network.fifos
    )
    renamed = Network(
        "odd", (network.nodes[0], node, network.nodes[2]), fifos, network.inputs, network.outputs, network.frame_shape
    )
    write_report(Subject(renamed), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;fc0 with a name that is much too long" in text


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Report file '.*/none/r\.html' must be writable, not: No such file or dir"):
        write_report(Subject(NETWORK), tmp_path / "none" / "r.html")
    assert not list(tmp_path.iterdir())


def test_rows_of_the_table_add_up(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(Subject(NETWORK), path)
    text = path.read_text(encoding="utf-8")
    table = text[text.index("<tbody>") : text.index("</tfoot>")]
    rows = [
        re.findall(r'<td class="n[^>]*>([\d,]+)(?: <small>.*?)?</td>', row)[-4:]
        for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]
    counts = np.array([[int(count.replace(",", "")) for count in row] for row in rows])
    assert counts[:-1].sum(axis=0).tolist() == counts[-1].tolist()
    assert counts[-1, 0] == network_cost(NETWORK, "ecp5").luts
