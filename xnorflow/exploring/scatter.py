"""The scatter of two figures of an exploration's points, as places in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from xnorflow.exploring.front import Point
from xnorflow.exploring.space import OBJECTIVES, Space

__all__ = ["Mark", "Scatter", "kind_of", "label_of", "scatter_of", "spreads"]

#: Sizes of the picture and of the field of the points in it, in pixels.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 430, 110, 840, 28, 366


@dataclass(frozen=True)
class Mark:
    """A point in the picture."""

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class Scatter:
    """Points over two axes.

    Parameters
    ----------
    across, up : titles of the axes
    columns, lines : places and labels of the grid
    marks : the points; those of the front come last
    step : line through the front, of two objectives; with more of them it would go up and down
    """

    across: str
    up: str
    columns: tuple[tuple[float, str], ...]
    lines: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    step: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM

    @property
    def kinds(self) -> set[str]:
        """The kinds of the marks."""
        return {mark.kind for mark in self.marks}


def scatter_of(space: Space, points: Sequence[Point], front: Sequence[Point]) -> Scatter | None:
    """Return the scatter of the first objective over the last one; None if no point has both.

    Points that break a constraint are left out if there are others: what is too large would squeeze the rest.
    """
    across, up = space.objectives[-1], space.objectives[0]
    known = [point for point in points if {across, up} <= point.evaluation.figures.keys()]
    known = [point for point in known if not point.evaluation.reason] or known
    if not known:
        return None
    numbers = {point.number for point in front}
    x, y = (_Axis([point.evaluation.figures[name] for point in known]) for name in (across, up))

    def mark(point: Point) -> Mark:
        figures = point.evaluation.figures
        titles = ", ".join(f"{OBJECTIVES[name].title} {_text(value)}" for name, value in figures.items())
        place = LEFT + x.share(figures[across]) * (RIGHT - LEFT), BOTTOM - y.share(figures[up]) * (BOTTOM - TOP)
        kind = "front" if point.number in numbers else kind_of(point)
        return Mark(round(place[0], 1), round(place[1], 1), kind, f"point {point.number}: {titles}")

    marks = sorted(map(mark, known), key=lambda each: (each.kind == "front", each.x))
    of_front = [f"{each.x:g} {each.y:g}" for each in marks if each.kind == "front"]
    return Scatter(
        label_of(across),
        label_of(up),
        tuple((round(LEFT + part * (RIGHT - LEFT), 1), _text(x.at(part))) for part in (0, 0.25, 0.5, 0.75, 1)),
        tuple((round(BOTTOM - part * (BOTTOM - TOP), 1), _text(y.at(part))) for part in (0, 0.25, 0.5, 0.75, 1)),
        tuple(marks),
        "M" + "L".join(of_front) if len(of_front) > 1 and len(space.objectives) == 2 else "",
    )


def kind_of(point: Point) -> str:
    """Return why a point is not on the front, in one word: "refused", "stopped" or, for others are better, ``""``."""
    return "refused" if point.evaluation.reason else "stopped" if point.evaluation.stopped else ""


def label_of(name: str) -> str:
    """Return a figure's title with its unit."""
    return " ".join((OBJECTIVES[name].title, OBJECTIVES[name].unit)).strip()


def spreads(values: Sequence[float]) -> bool:
    """Return whether values extend over more than two powers of ten."""
    return bool(values) and 0 < 100 * min(values) < max(values)


class _Axis:
    """An axis over values, logarithmic if they spread."""

    def __init__(self, values: Sequence[float]) -> None:
        self._log = spreads(values)
        low, high = min(values), max(values)
        if low == high:
            low, high = low - (abs(low) / 10 or 1), high + (abs(high) / 10 or 1)
        self._low, self._high = self._to(low), self._to(high)

    def _to(self, value: float) -> float:
        return log10(value) if self._log else value

    def share(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        return (self._to(value) - self._low) / (self._high - self._low)

    def at(self, part: float) -> float:
        """Return the value at a place."""
        value = self._low + part * (self._high - self._low)
        return float(10**value) if self._log else value


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
