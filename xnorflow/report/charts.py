"""Activity over time, as outlines for the charts of the report.

A chart has at most `COLUMNS` columns, however many cycles it covers.
"""

from dataclasses import dataclass, replace

import numpy as np

from hwsim.timeline import BLOCKED, BUSY, FifoTrack, NodeTrack

__all__ = [
    *("COLUMNS", "Axis", "FrameBar", "NodeBars", "OccupancyCurve"),
    *("axis_of", "bars_of", "blocked_of", "curve_of", "finer", "runs", "track_of"),
]

#: Maximum number of columns of a chart over time.
COLUMNS = 460

#: Maximum width in pixels of a letter in a tick's label.
LETTER = 7.0


@dataclass(frozen=True)
class Axis:
    """An axis of cycles.

    Parameters
    ----------
    cycles : its end; it begins at 0
    per_column : cycles of one column
    pixels : its length
    ticks : the cycles that are labelled
    """

    cycles: int
    per_column: int
    pixels: float
    ticks: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Columns of the chart."""
        return -(-self.cycles // self.per_column)

    def x(self, cycle: float) -> float:
        """Return where a cycle begins, in pixels."""
        return round(cycle / self.cycles * self.pixels, 2)

    def column_x(self, column: int) -> float:
        """Return where a column begins, in pixels; the last one may be cut off."""
        return self.x(min(self.cycles, int(column) * self.per_column))

    def share(self, cycle: float) -> float:
        """Return where a cycle begins, in percent of the axis."""
        return round(100 * cycle / self.cycles, 3)

    def anchor(self, tick: int) -> str:
        """Return SVG's anchor of a tick's label, chosen so that no label extends beyond the axis."""
        if tick == 0:
            return "start"
        return "end" if self.x(tick) + len(f"{tick:,}") * LETTER / 2 > self.pixels else "middle"


def axis_of(cycles: int, pixels: float, *, most_ticks: int = 9, columns: int | None = None) -> Axis:
    """Return an axis with ticks at round numbers, and of at most so many columns."""
    step = 1
    while cycles / step > most_ticks:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return Axis(cycles, -(-cycles // (columns or COLUMNS)), pixels, tuple(range(0, cycles + 1, step)))


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the start of each run of true flags, and the index after its end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@dataclass(frozen=True)
class FrameBar:
    """The time that a frame spends in a node.

    Parameters
    ----------
    frame : its number, from 1
    start, stop : its first cycle, and the one after its last
    starved, blocked : cycles in between in which the node waits
    some, much : outlines of the columns in which the node issues a step in less, and in at least half of the cycles
    """

    frame: int
    start: int
    stop: int
    starved: int
    blocked: int
    some: str
    much: str


def bars_of(node: NodeTrack, axis: Axis, height: float) -> list[FrameBar]:
    """Return a bar for each frame, with its upper edge at 0."""
    bars = []
    for frame, (start, stop) in enumerate(node.spans.tolist()):
        busy = node.spells.cycles_between(_borders(axis), BUSY, frame) / axis.per_column
        some = _outline(runs((busy > 0) & (busy < 0.5)), axis, height)
        much = _outline(runs(busy >= 0.5), axis, height)
        bars.append(FrameBar(frame + 1, start, stop, *node.waits(frame), some, much))
    return bars


@dataclass(frozen=True)
class NodeBars:
    """What a chart shows of a node.

    Parameters
    ----------
    frames : a bar for each frame
    blocked : outline of the columns in which it is mostly blocked
    """

    frames: tuple[FrameBar, ...]
    blocked: str

    @property
    def letters(self) -> int:
        """Size of all outlines as text."""
        return len(self.blocked) + sum(len(bar.some) + len(bar.much) for bar in self.frames)


def track_of(node: NodeTrack, axis: Axis, height: float, blocked_height: float) -> NodeBars:
    """Return the bars of a node."""
    return NodeBars(tuple(bars_of(node, axis, height)), blocked_of(node, axis, blocked_height))


def finer(axis: Axis, factor: int) -> Axis:
    """Return the same axis with more columns, but not with less than a cycle in each."""
    return replace(axis, per_column=max(1, -(-axis.per_column // factor)))


def blocked_of(node: NodeTrack, axis: Axis, height: float) -> str:
    """Return the outline of the columns in which the node is blocked in at least half of the cycles."""
    borders = _borders(axis)
    return _outline(runs(node.spells.cycles_between(borders, BLOCKED) / np.diff(borders) >= 0.5), axis, height)


def _outline(spans: list[tuple[int, int]], axis: Axis, height: float) -> str:
    path = ""
    for start, stop in spans:
        left, right = axis.column_x(start), axis.column_x(stop)
        path += f"M{left:g} 0H{right:g}V{height:g}H{left:g}Z"
    return path


@dataclass(frozen=True)
class OccupancyCurve:
    """The occupancy of a FIFO over time.

    Parameters
    ----------
    most : outline of the area under the maximum number of beats stored in each column
    mean : line of the mean number of beats stored in each column
    highest : maximum number of beats stored at any time
    average : mean number of beats stored over all cycles
    """

    most: str
    mean: str
    highest: int
    average: float


def curve_of(fifo: FifoTrack, axis: Axis, height: float) -> OccupancyCurve:
    """Return a FIFO's curve. Its depth is `height` pixels above 0, which is at the lower edge."""
    cycles, stored = fifo.levels
    most, mean = _maxima(cycles, stored, axis), _means(cycles, stored, axis)

    def y(level: float) -> float:
        return round(height - level / fifo.depth * height, 2)

    area = f"M0 {height:g}"
    for column, level in enumerate(most):
        area += f"V{y(level):g}H{axis.column_x(column + 1):g}"
    line = "".join(
        f"{'L' if column else 'M'}{axis.x(min((column + 0.5) * axis.per_column, axis.cycles)):g} {y(level):g}"
        for column, level in enumerate(mean)
    )
    kept = np.append(cycles, axis.cycles)
    average = float((np.diff(kept) * stored).sum() / axis.cycles)
    return OccupancyCurve(f"{area}V{height:g}Z", line, int(stored.max()), average)


def _borders(axis: Axis) -> np.ndarray:
    """Return the cycle at which each column begins, and the end of the last one."""
    return np.minimum(np.arange(axis.columns + 1) * axis.per_column, axis.cycles)


def _means(cycles: np.ndarray, levels: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the mean in each column of a level that changes at the given cycles, and is 0 before the first."""
    if not len(cycles):
        return np.zeros(axis.columns)
    sums = np.append(0, np.cumsum(np.diff(np.append(cycles, axis.cycles)) * levels))
    totals = np.interp(_borders(axis), np.append(cycles, axis.cycles), sums, left=0)
    return np.diff(totals) / np.diff(_borders(axis))


def _maxima(cycles: np.ndarray, levels: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the greatest level in each column."""
    at_start = levels[np.searchsorted(cycles, _borders(axis)[:-1], side="right") - 1].copy()
    inside = cycles < axis.cycles
    np.maximum.at(at_start, cycles[inside] // axis.per_column, levels[inside])
    return at_start
