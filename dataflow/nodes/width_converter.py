"""WidthConverter: from one number of lanes to another, in the same order."""

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
    """How numbers move through a converter in each step of its pattern.

    Parameters
    ----------
    held : (period,) int64, numbers held at the start of each step
    taken : (period,) int64, numbers that the step consumes, or 0
    given : (period,) int64, numbers that the step emits, or 0
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
    """Repack beats of `lanes_in` numbers into beats of `lanes_out`, for any ratio, without changing their order.

    In each step a beat is consumed if fewer numbers are held than the output beat has. Then the output beat is emitted
    if all its numbers are held. So the steps of a frame are the larger of its beats before and after. If the lanes do
    not divide a vector, its last beat has fewer numbers, followed by inert lanes, and a vector may take one more step.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    lanes_in, lanes_out : at most the numbers of a vector
    parts_in, parts_out : number of vectors into which the channels are divided, before and after; each begins with a
        new beat
    """

    element: Element
    shape: tuple[int, ...]
    lanes_in: int
    lanes_out: int
    parts_in: int = 1
    parts_out: int = 1

    later_fields: ClassVar = {"parts_in": 3, "parts_out": 3}
    fits_neighbours: ClassVar[bool] = True

    #: One cycle for the output register.
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
        """The movement of numbers in each step of the pattern."""
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
        """Whether every beat enters at the top of a register and output beats are taken from several places of it.

        Otherwise output beats are taken from its bottom, and beats enter above the numbers that are held.
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
        """The places of output beats if `shifts_in`, with the steps before which they are there, (period,) bool.

        A place is a distance from the register's top, and the number of the beat's numbers there. These are fewer than
        the lanes if numbers of another vector follow.
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
        """The places at which beats enter if not `shifts_in`, as numbers below them, with the steps, (period,) bool."""
        held, taken, _ = self.repacking
        places = sorted(set(held[taken > 0].tolist()))
        return {place: (held == place) & (taken > 0) for place in places}

    @cached_property
    def short_shifts(self) -> dict[int, np.ndarray]:
        """The distances by which the register shifts down, other than `lanes_out`, with the steps, (period,) bool."""
        held, _, given = self.repacking
        gone = np.roll(given, 1)
        amounts = sorted(set(gone[held > 0].tolist()) - {self.lanes_out})
        return {amount: (gone == amount) & (held > 0) for amount in amounts}

    @cached_property
    def short_beats(self) -> dict[int, np.ndarray]:
        """The sizes of output beats with another vector above them, with the steps before which they occur."""
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
        # A few LUTs detect a single step; irregular steps take a table.
        found.add(step_luts=sum(min(int(rarer), schedule.period / 8) for rarer in distinct.values()))
        (self._count_chosen_beats if self.shifts_in else self._count_entering_beats)(found)
        found.registers += self.depth * self.element.width
        return found.structure("WidthConverter")

    def _count_chosen_beats(self, found: Parts) -> None:
        """Add the multiplexers that select output beats from a register."""
        shown = np.array([count for _, count in self.windows])[:, None] > np.arange(self.lanes_out)
        sources = shown.sum(axis=0) + (~shown).any(axis=0)
        found.choose(sources, self.element.width)
        # A choice of three costs up to one more LUT, because many steps determine it.
        if self.schedule().period > 4:
            found.add(cut_threes=self.element.width * int((sources == 3).sum()))
        found.add(patterns=len(shown) - 1)

    def _count_entering_beats(self, found: Parts) -> None:
        """Add the logic that writes beats into a register above the held numbers, which shift down."""
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
    """Return the sizes of the beats that carry the first `numbers` numbers of a frame."""
    if not stream.inert:
        return [stream.lanes] * (numbers // stream.lanes)
    vector = [stream.lanes] * (stream.vector_beats - 1) + [stream.lanes - stream.inert]
    return vector * (numbers // stream.vector)
