"""WidthConverter: from one number of lanes to another."""

from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import ClassVar, NamedTuple

import numpy as np

from dataflow.elements import Element
from dataflow.nodes._node import Node
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Repacking", "WidthConverter"]


class Repacking(NamedTuple):
    """How numbers move through a converter, step by step of its pattern.

    Parameters
    ----------
    held : (period,) int64, numbers held at the start of each step
    taken : (period,) int64, numbers that the step consumes, 0 if none
    given : (period,) int64, numbers that the step emits, 0 if none
    """

    held: np.ndarray
    taken: np.ndarray
    given: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """(period,) int64, numbers held at the end of each step."""
        return self.held + self.taken - self.given


@dataclass(frozen=True, eq=False)
class WidthConverter(Node):
    """Repack beats of `lanes_in` numbers into beats of `lanes_out`; any ratio, the order stays.

    In each step a beat is consumed if fewer numbers are held than the beat out has, and then that is emitted if its
    numbers are held. So the steps of a frame are the larger of its beats before and after. Where the lanes do not
    divide a vector, its last beat has fewer numbers and inert lanes behind them; then a vector may take a step more.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    lanes_in, lanes_out : at most the numbers of a vector
    parts_in, parts_out : vectors that the channels are cut into, before and after; each begins with a new beat
    """

    element: Element
    shape: tuple[int, ...]
    lanes_in: int
    lanes_out: int
    parts_in: int = 1
    parts_out: int = 1

    later_fields: ClassVar = {"parts_in": 3, "parts_out": 3}
    fits_neighbours: ClassVar[bool] = True

    #: Cycles: the register that holds the beat out.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        for side in ("in", "out"):
            self._check_divides(f"parts_{side}", self.shape[-1], "channels")
            self._check_lanes(f"lanes_{side}", self.shape[-1] // getattr(self, f"parts_{side}"), "channels")

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.lanes_in, self.parts_in),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.lanes_out, self.parts_out),)

    @cached_property
    def repacking(self) -> Repacking:
        """What each step of the pattern does."""
        before, after = self.input_streams[0], self.output_streams[0]
        common = lcm(*(stream.vector if stream.inert else stream.lanes for stream in (before, after)))
        arriving = iter(_beats_of(before, common))
        held = 0
        trace: list[tuple[int, int, int]] = []
        for wanted in _beats_of(after, common):
            given = 0
            while not given:
                taken = next(arriving) if held < wanted else 0
                given = wanted if held + taken >= wanted else 0
                trace.append((held, taken, given))
                held += taken - given
        return Repacking(*np.array(trace, np.int64).T)

    @property
    def shifts_in(self) -> bool:
        """Whether every beat enters at the top of a register and the beats out lie at several places of it.

        Otherwise the beats out lie at its bottom, and beats enter above what is held.
        """
        before, after = self.input_streams[0], self.output_streams[0]
        return self.lanes_in <= self.lanes_out and (not before.inert or before.vector == after.vector)

    @property
    def depth(self) -> int:
        """Numbers that the register holds."""
        if self.shifts_in:
            return max(start for start, _ in self.windows)
        return max(self.arrivals) + self.lanes_in

    @cached_property
    def windows(self) -> dict[tuple[int, int], np.ndarray]:
        """Where beats out lie if `shifts_in`, with the steps before which they do, (period,) bool.

        A place is a number of numbers below the register's top, and how many of them are the beat's: where those of
        another vector follow, fewer than the lanes.
        """
        _, taken, given = self.repacking
        last = taken[np.maximum.accumulate(np.where(taken > 0, np.arange(len(taken)), 0))]
        found: dict[tuple[int, int], np.ndarray] = {}
        for step in np.flatnonzero(given).tolist():
            left = int(self.repacking.left[step])
            start = self.lanes_in - int(last[step]) + left + int(given[step])
            shown = min(self.lanes_out, int(given[step]) if left else start)
            found.setdefault((start, shown), np.zeros(len(taken), bool))[(step + 1) % len(taken)] = True
        return dict(sorted(found.items()))

    @cached_property
    def arrivals(self) -> dict[int, np.ndarray]:
        """Above how many numbers a beat enters if not `shifts_in`, with the steps in which it does, (period,) bool."""
        held, taken, _ = self.repacking
        places = sorted(set(held[taken > 0].tolist()))
        return {place: (held == place) & (taken > 0) for place in places}

    @cached_property
    def short_shifts(self) -> dict[int, np.ndarray]:
        """By how many numbers the register shifts down if not by `lanes_out`, with the steps, (period,) bool."""
        held, _, given = self.repacking
        gone = np.roll(given, 1)
        amounts = sorted(set(gone[held > 0].tolist()) - {self.lanes_out})
        return {amount: (gone == amount) & (held > 0) for amount in amounts}

    @cached_property
    def short_beats(self) -> dict[int, np.ndarray]:
        """Numbers of those beats out that have another vector's above them, with the steps before which they do."""
        given, left = self.repacking.given, self.repacking.left
        cut = (given > 0) & (given < self.lanes_out) & (left > 0)
        return {count: np.roll(cut & (given == count), 1) for count in sorted(set(given[cut].tolist()))}

    def schedule(self) -> Schedule:
        _, taken, given = self.repacking
        repeats = self.input_streams[0].size // int(given.sum())
        return Schedule(taken[None] > 0, given[None] > 0, self.latency, repeats)

    def structure(self) -> Structure:
        found = Parts()
        schedule = self.schedule()
        found.count(schedule.period)
        found.registers += 3
        patterns = [*schedule.consumes, *schedule.emits, *(self.windows if self.shifts_in else self.arrivals).values()]
        distinct = {pattern.tobytes(): min(pattern.sum(), (~pattern).sum()) for pattern in patterns}
        # A step among others is told by few LUTs, steps here and there by a table.
        found.add(step_luts=sum(min(int(rarer), schedule.period / 8) for rarer in distinct.values()))
        (self._count_chosen_beats if self.shifts_in else self._count_entering_beats)(found)
        found.registers += self.depth * self.element.width
        return found.structure("WidthConverter")

    def _count_chosen_beats(self, found: Parts) -> None:
        """Add what cuts the beats out out of a register."""
        shown = np.array([count for _, count in self.windows])[:, None] > np.arange(self.lanes_out)
        sources = shown.sum(axis=0) + (~shown).any(axis=0)
        found.choose(sources, self.element.width)
        # One of three costs up to a LUT more: the choice comes from many steps.
        if self.schedule().period > 4:
            found.add(cut_threes=self.element.width * int((sources == 3).sum()))
        found.add(patterns=len(shown) - 1)

    def _count_entering_beats(self, found: Parts) -> None:
        """Add what enters beats into a register above what is held there, which moves down."""
        places = np.arange(self.depth)
        entering = np.array(list(self.arrivals))[:, None]
        sources = ((places >= entering) & (places < entering + self.lanes_in)).sum(axis=0)
        for amount in (self.lanes_out, *self.short_shifts):
            sources += places + amount < self.depth
        found.choose(sources, self.element.width)
        found.add(entering_threes=self.element.width * int((sources == 3).sum()))
        found.choose(np.full(sum(self.lanes_out - count for count in self.short_beats), 2), self.element.width)
        found.add(patterns=len(entering) + len(self.short_shifts) + len(self.short_beats) - 1)


def _beats_of(stream: Stream, numbers: int) -> list[int]:
    """Return how many numbers each of the beats has that carry the first `numbers` of a frame."""
    if not stream.inert:
        return [stream.lanes] * (numbers // stream.lanes)
    vector = [stream.lanes] * (stream.vector_beats - 1) + [stream.lanes - stream.inert]
    return vector * (numbers // stream.vector)
