"""The report of a training: its curves are the recorded figures, and a browser draws them where they belong."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import InputError
from tests.xnorflow.test_report_in_a_browser import BROWSER, BROWSERS, look_at
from xnorflow.report import TrainingPage, write_training_report
from xnorflow.report.charts import axis_of
from xnorflow.report.curves import chart_of, line_of, percent, series_of, stage_starts

LAYERS = ("block0.conv", "block1.conv", "a-layer-with-a-very-long-name.whose-middle-is-left-out.conv")


def entry(epoch: int, stage: str) -> dict[str, Any]:
    figures = {"flips": 0.4, "positive": 0.5, "weights_saturated": 0.01, "mismatch": 1.2}
    return {
        "epoch": epoch,
        "loss": 2.4 / epoch,
        "validation_accuracy": 0.1 * epoch,
        "learning_rate": 0.01 / epoch,
        "stage": stage,
        "clock": {"quantile": 1.0 + epoch},
        "training_accuracy": 0.12 * epoch,
        **{key: dict.fromkeys(LAYERS, value / epoch) for key, value in figures.items()},
        "activations_saturated": {"block0.sign": 0.3},
        **({"dead": {"block0.sign": 0.25}} if stage == "binary weights" else {}),
    }


def metrics(**others: Any) -> dict[str, Any]:
    return {
        "epochs": 8,
        "seconds": 4000.0,
        "date": "2026-01-31",
        "recipe": {"name": "mine", "method": "react", "hidden": [], "options": {"first_share": 0.5}, "flip": False},
        "data": {"name": "cifar10", "training": 49000, "validation": 1000, "frame_shape": [3, 32, 32], "classes": 10},
        "machine": {"processor": "a processor <b>", "cores": 2},
        "versions": {"torch": "2.13.0"},
        "warnings": [{"epoch": 2, "kind": "guessing", "text": "Loss must fall, not rise"}],
        "history": [entry(epoch, "real weights" if epoch < 4 else "binary weights") for epoch in range(1, 7)],
    } | others


def page_of(tmp_path: Path, **others: Any) -> str:
    write_training_report(metrics(**others), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text("utf-8")


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).split())


def test_a_running_training(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path))
    assert "Training of 8 epochs on cifar10 by the method react: running, epoch 6 of 8 is done." in text
    assert "Epoch 2 Loss must fall, not rise." in text
    assert "The stages of the method are real weights from epoch 1 on, binary weights from epoch 4 on" in text
    assert "1 h 06 min for 6 epochs" in text
    assert "3 × 32 × 32" in text
    assert "first_share = 0.5" in text
    assert "a processor &lt;b&gt;" in text


def test_a_finished_training(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path, accuracy=0.8125, test_frames=10000, warnings=[]))
    assert "by the method react: finished." in text
    assert "81.2 % of 10,000 are classified correctly" in text
    assert "Warnings" not in text


def test_a_training_that_stopped_in_its_first_epoch(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path, history=[], warnings=[], stopped="Loss must be finite", seconds=0.0))
    assert "by the method react: stopped." in text
    assert "Loss must be finite." in text
    assert "Curves" not in text
    assert "0.0 s for 0 epochs" in text


def test_metrics_of_an_earlier_version_have_a_report(tmp_path: Path) -> None:
    text = text_of(page_of(tmp_path, history=[{"epoch": 1, "loss": 2.0}], warnings=[]))
    assert "Curves" in text
    assert "Binary layers" not in text


def test_nothing_is_loaded(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert not re.search(r"https?://|<script|<link|@import|src=", page)


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Report file '.*' must be writable, not: No such file or directory$"):
        write_training_report(metrics(), tmp_path / "missing" / "report.html")


def test_a_line_is_the_figure(tmp_path: Path) -> None:
    axis = axis_of(4, 40.0)
    line = line_of("flips", [0.5, None, 0.25, 0.0], axis, 100.0, 0.5)
    assert line.path == "M10 0M30 50L40 100"
    assert (line.last, line.end) == ("0 %", (40.0, 100.0))
    empty = line_of("flips", [None], axis, 100.0, 1.0)
    assert (empty.path, empty.last) == ("", "–")


def test_missing_and_infinite_numbers_are_left_out() -> None:
    history = [{"loss": float("nan")}, {}, {"loss": 1.0, "flips": {"a": 0.5}}]
    assert series_of(history, "loss") == [None, None, 1.0]
    assert series_of(history, "flips", "a") == [None, None, 0.5]
    assert stage_starts([{"epoch": 1, "stage": "a"}, {"epoch": 2, "stage": "a"}, {"epoch": 3, "stage": "b"}]) == [
        (0, "a"),
        (2, "b"),
    ]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e30)), min_size=1, max_size=8), st.floats(0, 10))
def test_all_of_a_chart_lies_within_it(values: list[float | None], level: float) -> None:
    chart = chart_of("loss", "", {"loss": values}, axis_of(8, 300.0), 100.0, text=percent, level=level)
    heights = [float(y) for y in re.findall(r"[ML][\d.e+-]+ ([\d.e+-]+)", chart.lines[0].path)]
    assert len(heights) == sum(value is not None for value in values)
    assert all(0 <= y <= 100 for y in heights)
    assert chart.level is not None
    assert 0 <= chart.level <= 100
    assert [y for _, y in chart.ticks] == [100.0, 50.0, 0.0]


def test_a_page_is_written_as_often_as_it_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = [100.0], []

    def write(facts: dict[str, Any], path: Path) -> None:
        now[0] += 0.1
        written.append((now[0], path))

    monkeypatch.setattr("xnorflow.report.training.write_training_report", write)
    monkeypatch.setattr("xnorflow.report.training.time.monotonic", lambda: now[0])
    page = TrainingPage(tmp_path / "report.html")
    for _ in range(12):
        page(metrics())
        now[0] += 1.0
    assert len(written) == 3  # at the start, and whenever 5 seconds have passed
    page(metrics(stopped="Loss must be finite"))
    assert len(written) == 4


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
@pytest.mark.parametrize("width", [1280, 400])
def test_every_mark_is_drawn(width: int, tmp_path: Path) -> None:
    page_of(tmp_path, stopped="Loss must be finite: " + "a long sentence " * 20)
    seen = look_at(tmp_path / "report.html", width)
    assert seen["marks"] == {"card": 4, "stopped": 1, "warning": 1, "curve": 4, "row": len(LAYERS) + 1}
    assert seen["outside"] == seen["covered"] == seen["loaded"] == []
    assert seen["wide"] <= 0
