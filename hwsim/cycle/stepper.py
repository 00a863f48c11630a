"""A network being stepped frame by frame, until its state is one that was there before."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from dataflow import Fifo, Network
from hwsim.cycle import kernel as c
from hwsim.cycle.deadlock import deadlock_of
from hwsim.cycle.kernel import advance, follow
from hwsim.cycle.program import flatten, initial_state
from hwsim.cycle.run import Periodic
from hwsim.stalls import Stalls

__all__ = ["Mark", "Stepper"]


@dataclass(frozen=True, eq=False)
class Mark:
    """The sums at the end of a frame.

    Parameters
    ----------
    end : cycles to the last read at an output
    still : cycles until everything stands still, if no frame follows
    blocked : (actors,) int64, cycles in which only a place was missing
    residence : (fifos,) int64, cycles that beats were stored
    """

    end: int
    still: int
    blocked: np.ndarray
    residence: np.ndarray

    def moved(self, earlier: "Mark", later: "Mark", times: int) -> "Mark":
        """Return the mark that stands `times` times the way from `earlier` to `later` behind this one."""
        return Mark(
            self.end + times * (later.end - earlier.end),
            self.still + times * (later.end - earlier.end),
            self.blocked + times * (later.blocked - earlier.blocked),
            self.residence + times * (later.residence - earlier.residence),
        )


class Stepper:
    """A network being stepped.

    Between two frames every FIFO is empty, because a frame is stepped to its end before the next one is begun. That
    is an order of computing, not of time: the next frame's first events may well be earlier than this one's last.

    Parameters
    ----------
    kept_frames : frames whose times are kept; the latest, if more are stepped

    Attributes
    ----------
    marks : the sums at the end of each frame; the first one, before any frame, is zero
    periodic : the periodic state, or None as long as none is known
    slowest : the most cycles by which anything was later in the last frame than in the one before; None as long as
        that is not known, or if there are stalls. A frame's times are the same function of the times before, which is
        monotone and shifts with them: so no later frame takes longer, even if faster parts of the network are still
        running ahead into deep FIFOs.
    """

    def __init__(self, network: Network, stalls: Stalls, kept_frames: int) -> None:
        self.network = network
        self.program = flatten(network, stalls, kept_frames=kept_frames)
        self.state = initial_state(self.program)
        zeros = np.zeros(len(self.program.actors), np.int64), np.zeros(len(network.fifos), np.int64)
        self.marks = [Mark(0, 0, *zeros)]
        self.periodic: Periodic | None = None
        self._row_of = {fifo.name: row for fifo, row in zip(network.fifos, self.program.fifos, strict=False)}
        self._frame_of: dict[bytes, int] = {}
        self._prepare_state_vector()
        self._vector = np.zeros(0, np.int64)
        self.slowest: int | None = None

    @property
    def frames(self) -> int:
        """Frames stepped."""
        return len(self.marks) - 1

    def step(self) -> None:
        """Step one more frame through and see whether the state is one that was there before.

        Raises
        ------
        DeadlockError
            Nothing can move any more.
        """
        frame = self.frames + 1
        if not advance(self.program, self.state, frame):
            raise deadlock_of(self.network, self.program, self.state, frame)
        follow(self.program, self.state)
        self.marks.append(self._mark())
        vector = self._state_vector()
        if frame > 1 and not len(self.program.gates):
            self.slowest = int((vector - self._vector).max()) + self.marks[frame].end - self.marks[frame - 1].end
        self._vector = vector
        phases = self.marks[frame].end % self.program.gates[:, c.GATE_CYCLES]
        digest = blake2b(vector.tobytes() + phases.tobytes(), digest_size=16).digest()
        before = self._frame_of.setdefault(digest, frame)
        if before != frame:
            self.periodic = Periodic(before, frame - before, self.marks[frame].end - self.marks[before].end)

    def mark(self, frame: int) -> Mark:
        """Return the sums at the end of a frame that was stepped, or that the periodic state tells."""
        if frame < len(self.marks):
            return self.marks[frame]
        assert self.periodic is not None
        start, period = self.periodic.start, self.periodic.frames
        times, rest = divmod(frame - start, period)
        return self.marks[start + rest].moved(self.marks[start], self.marks[start + period], times)

    def times(self, fifo: Fifo, which: int, frames: int) -> np.ndarray:
        """Return the cycles of a FIFO's writes or reads in the first frames, all of them kept.

        Parameters
        ----------
        which : `kernel.WRITES` or `kernel.READS`

        Returns
        -------
        (frames, beats) int64; the frames that were not stepped follow from the periodic state
        """
        row = self._row_of[fifo.name]
        start, beats = row[c.FIRST_SLOT], row[c.FRAME_BEATS]
        times = self.state.times[start : start + frames * beats, which].reshape(frames, beats).copy()
        for frame in range(self.frames, frames):
            assert self.periodic is not None
            times[frame] = times[frame - self.periodic.frames] + self.periodic.cycles
        return times

    def highest_levels(self, *, complete: bool) -> np.ndarray:
        """Return the most beats stored and places taken at the start of a cycle, (fifos, 2) int64.

        The latest reads wait to be followed until the next frame's writes are known; if `complete`, none come.
        """
        levels, filled = self.state.levels, self.state.filled[: len(self.network.fifos)]
        waiting = np.where(
            levels[:, :, c.LEVEL_READ] < filled[:, c.READ, None],
            levels[:, :, c.LEVEL_WRITTEN] - levels[:, :, c.LEVEL_READ],
            0,
        )
        return np.maximum(levels[:, :, c.HIGHEST], waiting if complete else 0)

    def _mark(self) -> Mark:
        last = self.state.doing[:, c.LAST]
        end = int(last[-len(self.network.outputs) :].max()) + 1
        still = int((last + self.program.actors[:, c.TAIL]).max()) + 1
        return Mark(end, still, self.state.doing[:, c.BLOCKED].copy(), self.state.residence.copy())

    def _prepare_state_vector(self) -> None:
        """Lay out the reads in the state vector: for each FIFO its latest `depth` beats, the latest first."""
        fifos = self.program.fifos
        depths = fifos[:, c.DEPTH]
        self._owner = np.repeat(np.arange(len(fifos)), depths)
        self._newest = (np.cumsum(depths) - depths)[self._owner]
        self._age = np.arange(len(self._owner)) - self._newest + 1
        self._first_slot = fifos[self._owner, c.FIRST_SLOT]
        self._ring_size = (fifos[:, c.END_SLOT] - fifos[:, c.FIRST_SLOT])[self._owner]
        self._latency = fifos[self._owner, c.LATENCY]

    def _state_vector(self) -> np.ndarray:
        """Return the times that all later ones follow from, relative to the end of the frame, int64.

        These are each actor's last event and the latest `depth` reads of each FIFO, buffers included. A read no later
        than the writer's latest emission constrains nothing any more, so it counts as being as late as that.
        """
        slots = self.state.filled[self._owner, c.WRITE_SLOT] - self._age
        slots += np.where(slots < self._first_slot, self._ring_size, 0)
        times = self.state.times[slots]
        issues = times[self._newest, c.WRITES] - self._latency
        return np.concatenate([self.state.doing[:, c.LAST], np.maximum(times[:, c.READS], issues)]) - self.marks[-1].end
