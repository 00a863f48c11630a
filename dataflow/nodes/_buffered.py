"""The base class of nodes that store an image in a line buffer, and read its beats in another order."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from dataflow.elements import Element
from dataflow.nodes._node import Node
from dataflow.schedule import Buffered, Schedule

__all__ = ["BufferedNode", "Loop"]


class Loop(NamedTuple):
    """A loop of reading steps: its number of iterations, and how far each moves, in beats, rows and columns.

    Rows and columns count only for nodes that read outside the image.
    """

    name: str
    size: int
    beats: int
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, eq=False)
class BufferedNode(Node):
    """A node that stores an image in a buffer of `places` beats, and reads beats for every position of another image.

    The steps are counted by nested loops, so that each moves the address by a constant. The first step of a position
    needs all beats that the position reads. Its last step frees the beats that no later position reads. So rows and
    frames follow each other without a bubble, and the steps per frame are the larger of the beats in and the beats
    read.

    Parameters
    ----------
    element : type of the numbers
    shape : (height, width, channels) of a frame
    """

    element: Element
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def positions(self) -> tuple[int, ...]:
        """(height, width) of the output."""

    @property
    @abstractmethod
    def position_loops(self) -> tuple[Loop, ...]:
        """The loops over positions, outermost first."""

    @property
    @abstractmethod
    def inner_loops(self) -> tuple[Loop, ...]:
        """The loops over what is read at a position, outermost first."""

    @property
    @abstractmethod
    def first_taps(self) -> tuple[tuple[int, int], ...]:
        """The (row, column) of each beat that the first step reads at once; outside the image they are negative."""

    @property
    @abstractmethod
    def first_beat(self) -> int:
        """The beat of the frame at row 0 and column 0 that the first step would read."""

    @property
    @abstractmethod
    def read_beats(self) -> np.ndarray:
        """(positions, beats per position) int64, the frame's beats in the order of reading, or -1 outside the image."""

    @property
    @abstractmethod
    def position_steps(self) -> int:
        """Steps that read the beats of a position."""

    @abstractmethod
    def schedule(self) -> Buffered:
        """Return the schedules of filling the buffer and of reading it, with the current folding."""

    @property
    def taps_at_once(self) -> int:
        """Beats that a step reads."""
        return 1

    @property
    def channel_folds(self) -> int:
        """Beats of a pixel."""
        return self.input_streams[0].beats // prod(self.shape[:-1])

    @property
    def steps(self) -> int:
        """Steps per frame: the larger of the beats in and the beats read."""
        return max(self.input_streams[0].beats, prod(self.positions) * self.position_steps)

    @cached_property
    def _windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Beats that must have arrived before each position is read, and that are free after it, (positions,) int64.

        A position waits for all beats that it and earlier positions read, and for those freed before it. It frees the
        beats that no later position reads, whether they have arrived or not. The last position frees all.
        """
        read = self.read_beats
        frame_beats = self.input_streams[0].beats
        # A window outside the image waits for its frame's first beat, so that it never emits before its frame arrives.
        newest = np.maximum(np.maximum.accumulate(read.max(axis=1)), 0)
        oldest = np.where(read >= 0, read, frame_beats).min(axis=1)
        freed = np.append(np.minimum.accumulate(oldest[::-1])[::-1][1:], frame_beats)
        return np.maximum(newest + 1, np.append(0, freed[:-1])), freed

    @property
    def places(self) -> int:
        """Beats that the buffer holds: the fewest with which frames follow each other in `steps` cycles, plus a row.

        The additional row is for the neighbours. A node before it that pauses while its own kernel moves to the next
        row, or a node after it that pauses between vectors, then rarely stalls the image. Deeper FIFOs would cost more.
        """
        return self.fewest_places + self.shape[1] * self.channel_folds

    @cached_property
    def fewest_places(self) -> int:
        """The fewest places with which frames follow each other in `steps` cycles, if no neighbour stalls.

        This requires that all beats and steps have times that repeat every T = `steps` cycles and satisfy the timing
        contract. T is the larger of the beats in and the reading steps.

        If T is the number of reading steps, step s of frame f must be issued exactly in cycle ``f*T + s``. A beat that
        arrives as late as possible takes a place for the shortest time: one cycle before the first step that waits for
        it, and before the next beat, which may belong to the next frame.

        If T is the number of beats in, beat b of frame f must arrive exactly in cycle ``f*T + b``, and reading as early
        as possible frees places soonest: a position starts one cycle after the last beat that it waits for, and after
        the previous position, which may belong to the previous frame.

        In both cases beat m, counted over all frames, needs a place in addition to those of the m earlier beats, minus
        those freed in earlier cycles. The maximum over all beats is the result.
        """
        waits, freed = self._windows
        beats, positions = self.input_streams[0].beats, len(waits)
        each, interval = self.position_steps, self.steps
        # Two frames are enough: more distant frames leave more time, because no frame takes longer than T.
        if positions * each == interval:
            starts = np.arange(positions) * each
            waiting = np.searchsorted(waits, np.arange(beats), side="right")
            due = np.append(starts, interval)[waiting] - 1
            slack = np.append(due, due + interval) - np.arange(2 * beats)
            comes = np.minimum.accumulate(slack[::-1])[::-1][:beats] + np.arange(beats)
        else:
            comes = np.arange(beats)
            ready = np.append(waits - interval, waits) - np.arange(2 * positions) * each
            starts = np.maximum.accumulate(ready)[positions:] + np.arange(positions, 2 * positions) * each
        ends = (starts + each - 1 + np.arange(-2, 2)[:, None] * interval).ravel()
        counts = np.append(-2 * beats, (freed + np.arange(-2, 2)[:, None] * beats).ravel())
        held = np.arange(beats) - counts[np.searchsorted(ends, comes - 1, side="right")]
        return int(held.max()) + 1

    def _buffered(self, emits: np.ndarray, latency: int) -> Buffered:
        """Return the schedules of filling the buffer and of reading it.

        Parameters
        ----------
        emits : (steps per position,) bool
        """
        waits, freed = self._windows
        before = np.append(0, freed[:-1])
        needs, frees = np.zeros((2, len(waits), self.position_steps), np.int64)
        needs[:, 0] = waits - before
        frees[:, -1] = freed - before
        fill = Schedule(np.ones((1, 1), bool), np.zeros((0, 1), bool), 1, repeats=self.input_streams[0].beats)
        drain = Schedule(np.zeros((0, needs.size), bool), np.tile(emits, len(needs))[None], latency)
        return Buffered(fill, drain, self.places, needs.ravel(), frees.ravel())
