"""The progress of a training: on a terminal, also a narrow one, and in a file."""

import io
import re

import pytest
from rich.console import Console

from quant import _progress
from quant._progress import TrainingProgress


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_progress, "time", clock)
    return clock


def progress_on(monkeypatch: pytest.MonkeyPatch, *, width: int, terminal: bool) -> tuple[TrainingProgress, io.StringIO]:
    file = io.StringIO()

    def console(*, stderr: bool, quiet: bool) -> Console:
        assert stderr
        return Console(file=file, width=width, force_terminal=terminal, quiet=quiet, color_system=None)

    monkeypatch.setattr(_progress, "Console", console)
    return TrainingProgress("resnet20-prelu-w1a1-with-a-long-name", 30), file


def run(progress: TrainingProgress, clock: Clock) -> None:
    """Run an epoch of ten steps in ten seconds, three seconds of evaluation, and half of the next epoch."""
    progress.start_epoch(1, 10)
    for _ in range(10):
        clock.now += 1.0
        progress.step(640)
    clock.now += 3.0
    progress.show({"epoch": 1, "loss": 2.1234, "validation_accuracy": 0.345, "training_accuracy": 0.4, "flips": {}})
    progress.start_epoch(2, 10)
    for _ in range(5):
        clock.now += 1.0
        progress.step(640)
    progress.show_loss(1.9876)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_terminal_shows_steps_rate_and_remaining_time(
    width: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress, file = progress_on(monkeypatch, width=width, terminal=True)
    run(progress, clock)
    Console(file=file, width=width, color_system=None).print(progress._lines())
    bar, figures = file.getvalue().splitlines()
    assert max(len(bar), len(figures)) <= width
    assert re.fullmatch(r"resnet20-pr\S*( …)? ?.* epoch 2/30, step 5/10", bar)
    assert "━" in bar or "─" in bar
    # 15 steps took 18 seconds, and 285 are left.
    assert figures.rstrip().startswith("640 images/s  5:42 left  loss 1.9876")
    assert ("validation 34.50%" in figures) == (width >= 60)
    assert ("training 40.00%" in figures) == (width >= 80)


def test_a_file_has_one_line_for_each_epoch(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, file = progress_on(monkeypatch, width=60, terminal=False)
    with progress:
        run(progress, clock)
    assert file.getvalue() == ("epoch 1/30  loss 2.1234  validation 34.50%  training 40.00%  640 images/s  6:17 left\n")


def test_hours_and_slow_steps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, _ = progress_on(monkeypatch, width=60, terminal=True)
    progress.start_epoch(1, 100)
    clock.now += 40.0
    assert progress.step(100)
    assert progress._times() == ["2.5 images/s", "33:19:20 left"]
    assert not progress.step(100)  # it is too early for another look


def test_nothing_is_shown_if_not_wanted(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(
        _progress, "Console", lambda *, stderr, quiet: Console(file=file, quiet=quiet, force_terminal=True)
    )
    with TrainingProgress("net", 3, shown=False) as progress:
        run(progress, clock)
        progress.note("a line")
    assert file.getvalue() == ""


def test_a_terminal_keeps_warnings_above_the_bar(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, file = progress_on(monkeypatch, width=60, terminal=True)
    with progress:
        run(progress, clock)
        progress.note("warning: something that is [not] markup")
    text = file.getvalue()
    assert "warning: something that is [not] markup" in text
    assert text.rindex("epoch 2/30, step 5/10") > text.index("warning:")
