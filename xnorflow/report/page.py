"""The report's page: figures and outlines, filled into the template."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dataflow import Cost, Network, atomic_write, network_cost, node_cost
from dataflow.cost import fifo_cost, port_cost
from hwsim import Run, Timeline, simulate, unroll
from xnorflow.report.charts import axis_of, bars_of, blocked_of, curve_of
from xnorflow.report.graph import BOX, BOX_HEIGHT, drawing_of
from xnorflow.report.texts import short, templates
from xnorflow.timing import ASSUMED, Build, Clock, Timing

__all__ = ["write_report"]

#: Frames over which the nodes' activity is counted, and frames that the diagrams show.
COUNTED_FRAMES, SHOWN_FRAMES = 1000, 3

#: Sizes in pixels: the page's width, a row of a diagram, a small chart.
WIDTH, ROW, BAR = 1160, 24, 16
CURVE_WIDTH, CURVE_HEIGHT = 340, 54

#: A letter's width in pixels in the names beside the diagrams.
LETTER = 6.9


@dataclass(frozen=True)
class _Row:
    """A node in the table and in the chart of its utilization."""

    name: str
    kind: str
    shape: str
    pe: int | None
    simd: int | None
    steps: int
    slowest: bool
    cost: Cost
    busy: float
    starved: float
    blocked: float


def write_report(
    network: Network,
    path: str | os.PathLike[str],
    *,
    family: str = "ecp5",
    clock: Clock = ASSUMED,
    build: Build | None = None,
    frames: int = SHOWN_FRAMES,
) -> Timing:
    """Write a report of a network as one self-contained HTML page, and return the timing that it shows.

    Parameters
    ----------
    family : device family of the estimated resources
    clock : clock of all times, if there is no build
    build : figures of the network's bitstream
    frames : frames that the diagrams show

    Raises
    ------
    InputError
        The network deadlocks, or the path cannot be written to.
    """
    run = simulate(network, COUNTED_FRAMES)
    timing = Timing(run.first_frame_latency, run.interval, clock if build is None else build.clock)
    text = (
        templates()
        .get_template("page.html")
        .render(
            network=network,
            timing=timing,
            build=None if build is None else build.figures,
            family=family,
            estimate=network_cost(network, family),
            fifos=sum((fifo_cost(network.stream(f).width, f.depth, family) for f in network.fifos), port_cost(network)),
            rows=_rows(network, run, family),
            counted_frames=COUNTED_FRAMES,
            graph=_graph(network, run),
            **_over_time(network, unroll(network, frames)),
        )
    )
    with atomic_write(path, "Report") as part:
        part.write_text(text, encoding="utf-8")
    return timing


def _rows(network: Network, run: Run, family: str) -> list[_Row]:
    most = max(node.steps for node in network.nodes)
    return [
        _Row(
            node.name,
            node.kind,
            f"{_shape(node.input_streams[0].shape)} → {_shape(node.output_streams[0].shape)}",
            node.folding.get("pe"),
            node.folding.get("simd"),
            node.steps,
            node.steps == most,
            node_cost(node, family),
            activity.busy / run.cycles,
            activity.starved / run.cycles,
            activity.blocked / run.cycles,
        )
        for node, activity in zip(network.nodes, run.nodes, strict=True)
    ]


def _shape(sizes: Iterable[int]) -> str:
    return " × ".join(map(str, sizes))


def _graph(network: Network, run: Run) -> dict[str, Any]:
    graph = drawing_of(network, width=WIDTH)
    busy = {activity.name: activity.busy / run.cycles for activity in run.nodes}
    use = {fifo.name: fifo for fifo in run.fifos}
    ends = {terminal.name: terminal.stream for terminal in (*network.inputs, *network.outputs)}

    def about(name: str) -> str:
        if name in ends:
            return _shape(ends[name].shape)
        node = network.node(name)
        return " ".join([node.kind, "×".join(map(str, node.folding.values()))]).rstrip()

    return {
        "graph": graph,
        "boxes": [(box, about(box.name), busy.get(box.name, 0.0)) for box in graph.boxes],
        "links": [(link, network.stream(link.fifo).width, use[link.fifo.name]) for link in graph.links],
        "box": (BOX, BOX_HEIGHT),
    }


def _over_time(network: Network, timeline: Timeline) -> dict[str, Any]:
    """Return the template's variables for the diagrams over time."""
    names = [short(node.name) for node in timeline.nodes]
    left = max(map(len, names)) * LETTER + 14
    axis = axis_of(timeline.cycles, WIDTH - left - 24)
    small = axis_of(timeline.cycles, CURVE_WIDTH, most_ticks=3)
    return {
        "timeline": timeline,
        "sizes": {"width": WIDTH, "left": left, "row": ROW, "bar": BAR},
        "axis": axis,
        "pipeline": [(node, bars_of(node, axis, BAR), blocked_of(node, axis, 3)) for node in timeline.nodes],
        "small": small,
        "small_sizes": {"width": CURVE_WIDTH, "height": CURVE_HEIGHT},
        "curves": [
            (fifo, curve_of(fifo, small, CURVE_HEIGHT), _kind_of(network, fifo.name)) for fifo in timeline.fifos
        ],
    }


def _kind_of(network: Network, name: str) -> str:
    """Return the type of a FIFO's stream as text for people."""
    fifo = next(fifo for fifo in network.fifos if fifo.name == name)
    return str(network.stream(fifo))
