"""Long steps say what they do: a line for each phase off a terminal, the remaining time on one."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from xnorflow import console


class Clock:
    """A clock that tests move."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("xnorflow.console.time.monotonic", clock)
    return clock


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], io.StringIO]:
    """Return a function that makes standard error a terminal, or none, and returns what is written there."""

    def on(terminal: bool) -> io.StringIO:
        file = io.StringIO()
        made = Console(file=file, force_terminal=terminal, width=60, highlight=False)
        monkeypatch.setattr(console, "notes", made)
        return file

    return on


def test_off_a_terminal_each_phase_is_a_line(clock: Clock, shown: Callable[[bool], io.StringIO]) -> None:
    file = shown(False)
    with console.Phases() as phases:
        phases("[synthesis]")
        clock.now += 65
        phases("place and route")
        phases("place and route")
        phases.advance(0.5)
        clock.now += 3600
        phases("packing")
    assert file.getvalue() == "0:00  [synthesis]\n1:05  place and route\n1:01:05  packing\n"


def test_on_a_terminal_the_remaining_time_is_shown(clock: Clock, shown: Callable[[bool], io.StringIO]) -> None:
    file = shown(True)
    with console.Phases() as phases:
        phases("compiling")
        clock.now += 4
        phases("running")
        clock.now += 30
        phases.advance(0.25)
        line = Console(file=(drawn := io.StringIO()), width=60)
        line.print(phases._line())
    assert drawn.getvalue().split(maxsplit=1)[1].split() == ["running", "0:30", "25%", "1:30", "left"]
    assert "compiling (0:04)\n" in file.getvalue()
    assert "running (0:30)\n" in file.getvalue()


def test_a_phase_that_fails_is_not_called_done(clock: Clock, shown: Callable[[bool], io.StringIO]) -> None:
    file = shown(True)

    def fail() -> None:
        with console.Phases() as phases:
            phases("running")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "running (0:00)" not in file.getvalue()


def test_results_come_between_phases(
    clock: Clock, shown: Callable[[bool], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    file = shown(True)
    with console.Phases() as phases:
        phases("checking")
        phases.say("[first] is right")
    assert capsys.readouterr().out == "[first] is right\n"
    assert "right" not in file.getvalue()
