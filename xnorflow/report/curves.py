"""Curves of figures over the epochs of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from sys import float_info
from typing import Any

from xnorflow.report.charts import Axis

__all__ = ["Chart", "Line", "chart_of", "line_of", "number", "percent", "series_of", "stage_starts"]


@dataclass(frozen=True)
class Line:
    """A figure over the epochs.

    Parameters
    ----------
    name : of the figure
    path : its line, with 0 at the lower edge
    last : the last number as text
    end : where the line ends, in pixels
    """

    name: str
    path: str
    last: str
    end: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """Figures that share an axis from 0 to `top`.

    Parameters
    ----------
    title, note : what is shown
    ticks : labels of the vertical axis, with their distances from the upper edge in pixels
    level : distance of a dashed line from the upper edge, if there is one
    """

    title: str
    note: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[str, float], ...]
    level: float | None = None


def number(value: float) -> str:
    """Return a number as text."""
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Return a share as text."""
    return f"{100 * value:.3g} %"


def series_of(history: Sequence[Mapping[str, Any]], figure: str, part: str | None = None) -> list[float | None]:
    """Return a figure, or that of one layer, in each epoch; None where it is missing or no finite number."""
    values = []
    for entry in history:
        value = entry.get(figure)
        if part is not None:
            value = (value or {}).get(part)
        values.append(value if value is not None and isfinite(value) else None)
    return values


def line_of(
    name: str, values: Sequence[float | None], axis: Axis, height: float, top: float, text: Any = percent
) -> Line:
    """Return a line, interrupted where a number is missing; `axis` is one of epochs, of which the first is 1."""
    path, pen, last, end = "", "M", "–", (0.0, height)
    for epoch, value in enumerate(values, 1):
        if value is None:
            pen = "M"
            continue
        end = axis.x(epoch), round(height - height * min(1.0, max(0.0, value / top)), 2)
        path += f"{pen}{end[0]:g} {end[1]:g}"
        pen, last = "L", text(value)
    return Line(name, path, last, end)


def chart_of(
    title: str,
    note: str,
    series: Mapping[str, Sequence[float | None]],
    axis: Axis,
    height: float,
    *,
    text: Any = percent,
    level: float | None = None,
) -> Chart:
    """Return a chart of several figures.

    Parameters
    ----------
    text : writes a number
    level : where a dashed line is
    """
    known = [value for values in series.values() for value in values if value is not None]
    step, top = _steps(max([*known, level or 0.0, 0.0]))
    ticks = tuple((text(step * index), round(height - height * step * index / top, 2)) for index in range(3))
    lines = tuple(line_of(name, values, axis, height, top, text) for name, values in series.items())
    return Chart(title, note, lines, ticks, None if level is None else round(height - height * level / top, 2))


def _steps(most: float) -> tuple[float, float]:
    """Return a round step, and its double, which is at least `most`."""
    if most < float_info.min:
        return 0.5, 1.0
    power = 10.0 ** floor(log10(most / 2))
    step = next(power * digit for digit in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 20) if 2 * power * digit >= most)
    return step, 2 * step


def stage_starts(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Return the epoch before which each stage begins, from 0, and its name."""
    starts: list[tuple[int, str]] = []
    for entry in history:
        stage = entry.get("stage", "")
        if not starts or starts[-1][1] != stage:
            starts.append((entry["epoch"] - 1, stage))
    return starts
