"""What the templates show of a network and of a run, in the reports and in notebooks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow import Cost, Network, node_cost
from dataflow.cost import fifo_cost, port_cost
from hwsim import Run, Timeline
from xnorflow.report.charts import axis_of, track_of
from xnorflow.report.graph import BOX, BOX_HEIGHT, drawing_of
from xnorflow.report.texts import short

__all__ = [
    *("BAR", "UNITS", "Row", "Use"),
    *("critical_view", "fifos_cost", "graph_view", "pipeline_view", "rows_of", "sizes_of", "use_of"),
]

#: Sizes in pixels: a row of a diagram over time, and the bar in it. A diagram is drawn on so many units.
UNITS, ROW, BAR = 1000, 20, 16

#: A letter's width in pixels in the names beside the diagrams.
LETTER = 6.9

#: How a node spends its cycles, as shares of them: busy, starved, blocked.
Use = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
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


def use_of(run: Run) -> dict[str, Use]:
    """Return how the nodes of a run spend their cycles."""
    return {
        activity.name: (activity.busy / run.cycles, activity.starved / run.cycles, activity.blocked / run.cycles)
        for activity in run.nodes
    }


def rows_of(network: Network, use: Mapping[str, Use], family: str) -> list[Row]:
    """Return the rows of the table of nodes.

    Parameters
    ----------
    family : device family of the estimated resources
    """
    most = max(node.steps for node in network.nodes)
    return [
        Row(
            node.name,
            node.kind,
            f"{_shape(node.input_streams[0].shape)} → {_shape(node.output_streams[0].shape)}",
            node.folding.get("pe"),
            node.folding.get("simd"),
            node.steps,
            node.steps == most,
            node_cost(node, family),
            *use[node.name],
        )
        for node in network.nodes
    ]


def _shape(sizes: Iterable[int]) -> str:
    return " × ".join(map(str, sizes))


def graph_view(network: Network, use: Mapping[str, Use], width: int, run: Run | None = None) -> dict[str, Any]:
    """Return the picture of a network, no wider than so many pixels.

    Parameters
    ----------
    run : whose greatest number of stored beats is written beside each FIFO
    """
    drawing = drawing_of(network, width=width)
    stored = {} if run is None else {fifo.name: fifo.max_occupancy for fifo in run.fifos}
    ends = {terminal.name: terminal.stream for terminal in (*network.inputs, *network.outputs)}

    def about(name: str) -> str:
        if name in ends:
            return _shape(ends[name].shape)
        node = network.node(name)
        return " ".join([node.kind, "×".join(map(str, node.folding.values()))]).rstrip()

    return {
        "drawing": drawing,
        "boxes": [(box, about(box.name), use[box.name][0] if box.name in use else 0.0) for box in drawing.boxes],
        "links": [(link, network.stream(link.fifo).width, stored.get(link.fifo.name)) for link in drawing.links],
        "box": (BOX, BOX_HEIGHT),
    }


def fifos_cost(network: Network, family: str) -> Cost:
    """Return what the FIFOs and the ports of a network cost."""
    return sum(
        (fifo_cost(network.stream(fifo).width, fifo.depth, family) for fifo in network.fifos), port_cost(network)
    )


def pipeline_view(timeline: Timeline, *, columns: int | None = None) -> dict[str, Any]:
    """Return what the template of a pipeline shows, in columns that are not made finer."""
    axis = axis_of(timeline.cycles, UNITS, columns=columns)
    return {
        "frames": timeline.frames,
        "axis": axis,
        "sizes": sizes_of([node.name for node in timeline.nodes]),
        "pipeline": [(node, track_of(node, axis, BAR, 3), None) for node in timeline.nodes],
    }


def sizes_of(names: Iterable[str]) -> dict[str, float]:
    """Return the sizes of rows, of which the names take a part."""
    return {"left": max(len(short(name)) for name in names) * LETTER + 14, "row": ROW, "bar": BAR}


def critical_view(figures: dict[str, Any]) -> dict[str, Any] | None:
    """Return the critical path of a build, with the time since the clock at each cell."""
    if not figures.get("critical_path"):
        return None
    shown, since = [], 0.0
    for hop in figures["critical_path"]:
        since += hop["logic_ns"] + hop["routing_ns"]
        named = {"node": hop["place"], "through": hop["cell"]}
        shown.append({**named, "logic": hop["logic_ns"], "routing": hop["routing_ns"], "since": since})
    return {"hops": shown, "total": figures["critical_ns"], "way": figures["critical_way"]}
