"""Latency and interval, neither of which follows from the other, and the clock that turns cycles into seconds."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dataflow import InputError, Network
from dataflow.outputs import board_outputs

if TYPE_CHECKING:
    from rtl.boards import Board

__all__ = ["ASSUMED", "Build", "Clock", "Timing", "clock_for", "clock_of", "open_build", "routed_clock", "timing_of"]


@dataclass(frozen=True)
class Clock:
    """A clock, and whether a design reaches it.

    Parameters
    ----------
    mhz : its frequency
    source : "met" or "missed" by a routed design, or "assumed"
    note : the same for people
    """

    mhz: float
    source: str = "assumed"
    note: str = "assumed"

    def __str__(self) -> str:
        return f"{self.mhz:g} MHz ({self.note})"


#: The clock that is assumed if none is given.
ASSUMED = Clock(100.0)


@dataclass(frozen=True)
class Timing:
    """How fast a network is.

    Parameters
    ----------
    latency : cycles from a frame's first beat in to its last beat out, without earlier frames
    interval : cycles between frames in steady state
    clock : the clock that turns cycles into time
    """

    latency: int
    interval: int | float
    clock: Clock = ASSUMED

    @property
    def latency_us(self) -> float:
        """The latency in microseconds."""
        return self.latency / self.clock.mhz

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.clock.mhz * 1e6 / self.interval

    @property
    def fps_text(self) -> str:
        """Frames per second, for people."""
        return f"{self.fps:,.{2 if self.fps < 100 else 0}f}"

    def to_json(self) -> dict[str, Any]:
        """Return latency, interval and clock as plain values, each in cycles and in time."""
        return {
            "latency": self.latency,
            "latency_us": self.latency_us,
            "interval": self.interval,
            "fps": self.fps,
            "clock_mhz": self.clock.mhz,
            "clock": self.clock.source,
            "clock_note": self.clock.note,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the timing that `to_json` returned as values."""
        clock = Clock(values["clock_mhz"], values["clock"], values["clock_note"])
        return cls(values["latency"], values["interval"], clock)

    def __str__(self) -> str:
        microseconds = f"{self.latency_us:,.{2 if self.latency_us < 1000 else 0}f}"
        return (
            f"latency {self.latency:,} cycles ({microseconds} us from first beat in to last beat out), "
            f"interval {round(self.interval, 2):,} cycles ({self.fps_text} frames per second) at {self.clock}"
        )


@dataclass(frozen=True)
class Build:
    """The figures of a bitstream that ``xnorflow bitstream`` has built.

    Parameters
    ----------
    figures : the content of ``bitstream.json``
    clock : the clock of the board, met or missed
    """

    figures: dict[str, Any]
    clock: Clock


def timing_of(network: Network, clock: Clock = ASSUMED) -> Timing:
    """Return the exact latency and interval of a network without stalls.

    Raises
    ------
    InputError
        The network deadlocks.
    """
    from hwsim import simulate

    run = simulate(network, 1)
    return Timing(run.first_frame_latency, run.interval, clock)


def clock_of(clock_mhz: float | None, build: Build | None = None) -> Clock:
    """Return the clock for a command's times: that of a build, the one given, or the assumed one.

    Raises
    ------
    InputError
        Both are given, or the frequency is not positive.
    """
    if build is not None:
        if clock_mhz is not None:
            raise InputError("Clock must come from --clock-mhz or --build, not both")
        return build.clock
    if clock_mhz is None:
        return ASSUMED
    if not isfinite(clock_mhz) or clock_mhz <= 0:
        raise InputError(f"Clock (--clock-mhz) must be positive, not {clock_mhz}")
    return Clock(clock_mhz, note="as given, not built")


def clock_for(board: "Board", clock_mhz: float | None = None) -> Clock:
    """Return the clock of a design for a board: the one given, or the board's usual one."""
    return Clock(board.clock_mhz, note=f"usual for {board.name}, assumed") if clock_mhz is None else clock_of(clock_mhz)


def routed_clock(clock_mhz: float, fmax_mhz: float, *, met: bool) -> Clock:
    """Return the clock of a board whose design is routed for `fmax_mhz`."""
    return Clock(clock_mhz, "met" if met else "missed", f"{'met' if met else 'NOT met'}: routed for {fmax_mhz:g} MHz")


#: Figures of a build by their type; a cell of the critical path has those of `_HOP`.
_FIGURES: Mapping[str, type] = {
    **dict.fromkeys(("network", "board"), str),
    **dict.fromkeys(("luts", "ffs", "brams", "dsps", "latency"), int),
    **dict.fromkeys(("interval", "clock_mhz", "fmax_mhz"), float),
    "timing_met": bool,
}
_HOP: Mapping[str, type] = {"place": str, "cell": str, "logic_ns": float, "routing_ns": float}


def _check_figures(figures: Mapping[str, Any]) -> None:
    """Check the figures of a file; those of an earlier version have no critical path."""
    _check_types(figures, _FIGURES)
    if "critical_path" in figures:
        _check_types(figures, {"critical_ns": float, "critical_way": str, "critical_path": list})
        for hop in figures["critical_path"]:
            _check_types(hop, _HOP)


def _check_types(values: Mapping[str, Any], types: Mapping[str, type]) -> None:
    """Raise TypeError or KeyError unless values are of their types; numbers are finite, not negative and not huge."""
    for key, kind in types.items():
        value = values[key]
        if kind in (int, float):
            if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
                raise TypeError(key)
            if not 0 <= value < 1e15:
                raise ValueError(key)
        elif not isinstance(value, kind):
            raise TypeError(key)
    if not all(values[key] for key in ("clock_mhz", "fmax_mhz") if key in types):
        raise ValueError("a clock of 0")


def open_build(folder: str | os.PathLike[str], network: Network) -> Build:
    """Return the build in a folder.

    Raises
    ------
    InputError
        The folder has no build, or one of another network or folding.
    """
    path = Path(folder) / "bitstream.json"
    if not path.is_file():
        raise InputError(f"Build folder {str(folder)!r} must hold bitstream.json of xnorflow bitstream, not none")
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        _check_figures(figures)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"Build report {str(path)!r} must be one that xnorflow bitstream has written, not another file"
        ) from error
    name, latency, interval = (figures[key] for key in ("network", "latency", "interval"))
    clock_mhz, fmax_mhz, met = (figures[key] for key in ("clock_mhz", "fmax_mhz", "timing_met"))
    built = timing_of(board_outputs(network))
    if (name, latency, interval) != (network.name, built.latency, built.interval):
        raise InputError(
            f"Build in {str(folder)!r} must be of network {network.name!r} with latency {built.latency} and interval "
            f"{built.interval}, not of {name!r} with {latency} and {interval}"
        )
    return Build(figures, routed_clock(clock_mhz, fmax_mhz, met=met))
