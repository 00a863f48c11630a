"""The report of a training: its curves, figures of each layer, warnings, and what it was."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import Any

from dataflow import atomic_write
from quant.figures import FIGURES, Figure
from xnorflow.report.charts import Axis, axis_of
from xnorflow.report.curves import Chart, chart_of, line_of, number, percent, series_of, stage_starts
from xnorflow.report.texts import templates

__all__ = ["TrainingPage", "curves_view", "write_training_report"]

#: Sizes in pixels: a chart, and a curve in a table.
CHART_WIDTH, CHART_HEIGHT, SMALL_WIDTH, SMALL_HEIGHT = 300, 110, 150, 26

#: Part of a training's time that its report may take.
SHARE = 0.02

#: The figures of layers, and of signs of activations: key, title, and what it is.
LAYERS = (
    ("flips", "flips", "weights that have another sign than before the epoch"),
    ("positive", "+1", "weights that are +1"),
    ("weights_saturated", "saturated", "weights at the clipping bound, or without a gradient"),
    ("mismatch", "mismatch", "1 minus the cosine between the gradient and that of the smooth network"),
)
SIGNS = (
    ("activations_saturated", "saturated", "activations outside the window in which the estimator passes a gradient"),
    ("dead", "dead", "channels whose sign is the same for all of the watched images"),
)


class TrainingPage:
    """The report of a running training, which is written again after an epoch unless that would slow it down.

    Parameters
    ----------
    path : where the page goes
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._cost = 0.0
        self._written = float("-inf")

    def __call__(self, metrics: Mapping[str, Any]) -> None:
        """Write the page, at once for a training that has stopped."""
        started = time.monotonic()
        if started - self._written < self._cost / SHARE and "stopped" not in metrics:
            return
        write_training_report(metrics, self._path)
        self._written = time.monotonic()
        self._cost = self._written - started


def write_training_report(metrics: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a report of a training as one self-contained HTML page.

    Parameters
    ----------
    metrics : as in ``metrics.json``, or as a training's `watch` gets them: without an accuracy while it runs, with the
        reason as `stopped` if it ended early

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    history = metrics["history"]
    done = history[-1]["epoch"] if history else 0
    view = curves_view(metrics)
    small = axis_of(metrics["epochs"], SMALL_WIDTH, most_ticks=2)
    text = (
        templates()
        .get_template("training.html")
        .render(
            **view,
            last=history[-1] if history else {},
            state=_state(metrics, done),
            has_stages=len(view["starts"]) > 1,
            small=small,
            small_sizes=(SMALL_WIDTH, SMALL_HEIGHT),
            tables=[_table("layer", LAYERS, history, small), _table("signs", SIGNS, history, small)],
            facts=_facts(metrics),
            percent=percent,
            number=number,
        )
    )
    with atomic_write(path, "Report") as part:
        part.write_text(text, encoding="utf-8")


def curves_view(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a training's curves shows."""
    axis, figure = axis_of(metrics["epochs"], CHART_WIDTH, most_ticks=4), _figure(metrics)
    return {
        "name": metrics["recipe"]["name"],
        "metrics": metrics,
        "figure": figure,
        "judged": _writer(figure),
        "time": _time(metrics["seconds"]),
        "starts": stage_starts(metrics["history"]),
        "axis": axis,
        "sizes": (CHART_WIDTH, CHART_HEIGHT),
        "charts": _charts(metrics, axis),
    }


def _figure(metrics: Mapping[str, Any]) -> Figure:
    return FIGURES[metrics["recipe"].get("task", "classify")]


def _writer(figure: Figure) -> Callable[[float], str]:
    return percent if figure.unit == "%" else figure.text


def _state(metrics: Mapping[str, Any], done: int) -> str:
    if "stopped" in metrics:
        return "stopped"
    return "finished" if _figure(metrics).key in metrics else f"running, epoch {done} of {metrics['epochs']} is done"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def _charts(metrics: Mapping[str, Any], axis: Axis) -> list[Chart]:
    history, figure = metrics["history"], _figure(metrics)
    task, classes = metrics["recipe"].get("task", "classify"), metrics["data"]["classes"]
    guessed = task in ("classify", "segment")
    accuracies = {part: f"{part}_{figure.key}" for part in ("training", "validation")}
    shown = {name: key for name, key in accuracies.items() if any(key in entry for entry in history)}
    charts = [
        chart_of(
            "Loss",
            "mean of an epoch" + (f"; the dashed line is guessing, ln({classes})" if guessed else ""),
            {"loss": series_of(history, "loss")},
            axis,
            CHART_HEIGHT,
            text=number,
            level=log(classes) if guessed else None,
        ),
        chart_of(
            figure.title[0].upper() + figure.title[1:],
            "of images as they are, after an epoch",
            {name: series_of(history, key) for name, key in shown.items()},
            axis,
            CHART_HEIGHT,
            text=_writer(figure),
        ),
        chart_of(
            "Learning rate",
            "mean of an epoch",
            {"rate": series_of(history, "learning_rate")},
            axis,
            CHART_HEIGHT,
            text=number,
        ),
    ]
    for name in _parts(history, "clock"):
        note = f"a number that the method changes, {metrics['recipe']['method']}"
        values = series_of(history, "clock", name)
        charts.append(chart_of(name, note, {name: values}, axis, CHART_HEIGHT, text=number))
    return charts


def _parts(history: Sequence[Mapping[str, Any]], figure: str) -> list[str]:
    """Return the layers that have a figure in any epoch."""
    return list(dict.fromkeys(name for entry in history for name in entry.get(figure, {})))


def _table(
    what: str, figures: Sequence[tuple[str, str, str]], history: Sequence[Mapping[str, Any]], axis: Axis
) -> dict[str, Any]:
    """Return the rows of a table with a curve in each cell; the curves of a column have one scale."""
    names = list(dict.fromkeys(name for key, _, _ in figures for name in _parts(history, key)))
    columns = []
    for key, title, about in figures:
        series = {name: series_of(history, key, name) for name in names}
        most = max((value for values in series.values() for value in values if value is not None), default=0.0)
        write = number if key == "mismatch" else percent
        lines = {name: line_of(name, values, axis, SMALL_HEIGHT, most or 1.0, write) for name, values in series.items()}
        columns.append({"title": title, "about": about, "scale": write(most), "lines": lines})
    return {"what": what, "names": names, "columns": columns}


def _facts(metrics: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what the training was, as groups of names and texts."""
    data = dict(metrics["data"])
    data["frame_shape"] = " × ".join(map(str, data["frame_shape"]))
    if "test_frames" in metrics:
        data["test"] = metrics["test_frames"]
    machine = {**metrics["machine"], "date": metrics["date"]}
    groups = {"Data set": data, "Machine": machine, "Versions": metrics["versions"], "Recipe": metrics["recipe"]}
    return [
        (title, [(name.replace("_", " "), _text(v)) for name, v in group.items()]) for title, group in groups.items()
    ]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {each}" for name, each in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
