"""The reports of a network, and of two side by side: figures and outlines, filled into the templates."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataflow import Cost, Network, atomic_write, network_cost
from hwsim import Run, Timeline, simulate, unroll
from xnorflow.accuracy import Accuracy, accuracy_of
from xnorflow.report.charts import Axis, NodeBars, OccupancyCurve, axis_of, curve_of, finer, track_of
from xnorflow.report.texts import figure, templates
from xnorflow.report.views import BAR, UNITS, Row, critical_view, fifos_cost, graph_view, rows_of, sizes_of, use_of
from xnorflow.timing import ASSUMED, Build, Clock, Timing

__all__ = ["Subject", "write_comparison", "write_report"]

#: Frames over which the nodes' activity is counted, and frames that the diagrams show.
COUNTED_FRAMES, SHOWN_FRAMES = 1000, 3

#: Sizes in pixels: width of the network's picture on a wide and on a narrow page, and a small chart.
WIDTH, NARROW, CURVE_WIDTH, CURVE_HEIGHT = 1160, 420, 340, 54

#: How much finer the diagram over time may be when one zooms in, and the letters of its outlines that a page may have.
FINEST, MOST_LETTERS = 16, 1_500_000

#: Resources by the name of their figure, with the name for people.
_RESOURCES = (("luts", "LUTs"), ("ffs", "flip-flops"), ("brams", "block RAMs"), ("dsps", "DSPs"))


@dataclass(frozen=True)
class Subject:
    """A network that a report is about.

    Parameters
    ----------
    network : the network, as it was built if there is a build
    family : device family of the estimated resources
    clock : clock of all times, if there is no build
    build : figures of the network's bitstream
    board : the board for which it is folded or built
    title : what a comparison calls it
    """

    network: Network
    family: str = "ecp5"
    clock: Clock = ASSUMED
    build: Build | None = None
    board: str | None = None
    title: str = ""


@dataclass(frozen=True)
class _View:
    """What the templates show of a network."""

    title: str
    network: Network
    timing: Timing
    family: str
    build: dict[str, Any] | None
    board: Any
    board_has: Cost | None
    accuracy: Accuracy | None
    critical: dict[str, Any] | None
    estimate: Cost
    fifos: Cost
    rows: list[Row]
    graphs: dict[str, Any]
    run: Run
    timeline: Timeline
    pipeline: list[tuple[Any, NodeBars, NodeBars | None]]
    curves: list[tuple[Any, OccupancyCurve, str]]


def write_report(subject: Subject, path: str | os.PathLike[str], *, frames: int = SHOWN_FRAMES) -> Timing:
    """Write a report of a network as one self-contained HTML page, and return the timing that it shows.

    Parameters
    ----------
    frames : frames that the diagrams show

    Raises
    ------
    InputError
        The network deadlocks, or the path cannot be written to.
    """
    (view,), shared = _views([subject], frames)
    _write("page.html", path, subject=view, **shared)
    return view.timing


def write_comparison(
    first: Subject, second: Subject, path: str | os.PathLike[str], *, frames: int = SHOWN_FRAMES
) -> tuple[Timing, Timing]:
    """Write a page with two networks side by side, and return the timing of both.

    Raises
    ------
    InputError
        As of `write_report`.
    """
    views, shared = _views([first, second], frames)
    one, other = views
    _write(
        "compare.html",
        path,
        subjects=views,
        figures=_figures(one, other),
        nodes=_pairs([{row.name: _numbers(row) for row in view.rows} for view in views]),
        fifos=_pairs(
            [
                {
                    edge.name: (edge.depth, view.network.stream(edge).width, use.max_occupancy)
                    for edge, use in zip(view.network.fifos, view.run.fifos, strict=True)
                }
                for view in views
            ]
        ),
        **shared,
    )
    return one.timing, other.timing


def _write(template: str, path: str | os.PathLike[str], **content: Any) -> None:
    text = templates().get_template(template).render(counted_frames=COUNTED_FRAMES, **content)
    with atomic_write(path, "Report") as part:
        part.write_text(text, encoding="utf-8")


def _views(subjects: Sequence[Subject], frames: int) -> tuple[list[_View], dict[str, Any]]:
    """Return what is shown of each network, and what all of them share: the axis of cycles, and sizes."""
    timelines = [unroll(subject.network, frames) for subject in subjects]
    cycles = max(timeline.cycles for timeline in timelines)
    axis = axis_of(cycles, UNITS)
    small = axis_of(cycles, CURVE_WIDTH, most_ticks=3)
    fine = _fine_axis(timelines, axis)
    shared = {
        "frames": frames,
        "axis": axis,
        "fine_axis": fine,
        "small": small,
        "sizes": sizes_of(node.name for timeline in timelines for node in timeline.nodes),
        "small_sizes": {"width": CURVE_WIDTH, "height": CURVE_HEIGHT},
    }
    return [_view(each, line, axis, fine, small) for each, line in zip(subjects, timelines, strict=True)], shared


def _fine_axis(timelines: Sequence[Timeline], axis: Axis) -> Axis | None:
    """Return the finest axis whose outlines are not too much for a page, or None if it is no finer."""
    factor = FINEST
    while factor > 1 and axis.per_column > 1:
        fine = finer(axis, factor)
        tracks = (track_of(node, fine, BAR, 3) for timeline in timelines for node in timeline.nodes)
        if sum(track.letters for track in tracks) <= MOST_LETTERS:
            return fine
        factor //= 2
    return None


def _view(subject: Subject, timeline: Timeline, axis: Axis, fine: Axis | None, small: Axis) -> _View:
    network, family, build = subject.network, subject.family, subject.build
    run = simulate(network, COUNTED_FRAMES)
    use = use_of(run)
    board = None
    if subject.board is not None:
        from rtl.boards import board_of

        board = board_of(subject.board)
    return _View(
        title=subject.title or network.name,
        network=network,
        timing=Timing(run.first_frame_latency, run.interval, subject.clock if build is None else build.clock),
        family=family,
        build=None if build is None else build.figures,
        board=board,
        board_has=None if board is None else Cost(board.luts, board.luts, board.brams, board.dsps),
        accuracy=accuracy_of(network),
        critical=None if build is None else critical_view(build.figures),
        estimate=network_cost(network, family),
        fifos=fifos_cost(network, family),
        rows=rows_of(network, use, family),
        graphs={
            "broad": graph_view(network, use, WIDTH, run),
            "narrow": graph_view(network, use, NARROW, run),
        },
        run=run,
        timeline=timeline,
        pipeline=[
            (node, track_of(node, axis, BAR, 3), None if fine is None else track_of(node, fine, BAR, 3))
            for node in timeline.nodes
        ],
        curves=[(fifo, curve_of(fifo, small, CURVE_HEIGHT), _kind_of(network, fifo.name)) for fifo in timeline.fifos],
    )


def _kind_of(network: Network, name: str) -> str:
    """Return the type of a FIFO's stream as text for people."""
    fifo = next(fifo for fifo in network.fifos if fifo.name == name)
    return str(network.stream(fifo))


def _figures(one: _View, other: _View) -> list[dict[str, Any]]:
    """Return the rows of the comparison's first table: each has a name, both texts, and the ratio."""
    rows = []
    how = "built" if one.build and other.build else "estimated"
    numbers: list[tuple[str, Callable[[_View], float]]] = [
        ("latency, cycles", lambda view: view.timing.latency),
        ("interval, cycles", lambda view: view.timing.interval),
        ("clock, MHz", lambda view: view.timing.clock.mhz),
        ("latency, µs", lambda view: view.timing.latency_us),
        ("frames per second", lambda view: view.timing.fps),
        *((f"{name}, {how}", partial(_used, key)) for key, name in _RESOURCES),
        ("bits of weights", lambda view: view.network.weight_bits),
        ("products per frame", lambda view: view.network.macs),
    ]
    for name, number in numbers:
        values = number(one), number(other)
        ratio = f"{values[1] / values[0]:.3g}" if values[0] else "–"
        rows.append({"name": name, "texts": [figure(value) for value in values], "ratio": ratio})
    texts = [view.accuracy.percent if view.accuracy else "–" for view in (one, other)]
    rows.append({"name": "accuracy on test images", "texts": texts, "ratio": ""})
    clocks = [view.timing.clock.note for view in (one, other)]
    rows.insert(3, {"name": "the clock is", "texts": clocks, "ratio": ""})
    return rows


def _used(key: str, view: _View) -> int:
    return int(view.build[key]) if view.build else int(getattr(view.estimate, key))


def _numbers(row: Row) -> tuple[int | None, ...]:
    return row.pe, row.simd, row.steps, row.cost.luts, row.cost.brams


def _pairs(tables: Sequence[dict[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
    """Return a row for each name of either table, with the numbers of both side by side."""
    names = dict.fromkeys(name for table in tables for name in table)
    width = max(len(numbers) for table in tables for numbers in table.values())
    empty = (None,) * width
    return [
        {"name": name, "pairs": list(zip(*(table.get(name, empty) for table in tables), strict=True))} for name in names
    ]
