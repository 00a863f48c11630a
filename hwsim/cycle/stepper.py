"""A network being stepped frame by frame, until its state is one that was there before."""

from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b

import numpy as np

from dataflow import Fifo, Network
from hwsim.cycle import kernel as c
from hwsim.cycle.deadlock import deadlock_of
from hwsim.cycle.drift import Drift
from hwsim.cycle.horizon import Horizon
from hwsim.cycle.kernel import advance, follow
from hwsim.cycle.program import flatten, initial_state
from hwsim.cycle.rate import RateFinder
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
    frames : frames that the state is after
    stepped : how many of them were stepped; the others were leapt over
    marks : by frame, the sums at its end, where it is known; those of frame 0, before any other, are zero
    periodic : the periodic state, or None as long as none is known
    rates : what is known of the rate of frames; None if there are stalls
    """

    def __init__(self, network: Network, stalls: Stalls, kept_frames: int) -> None:
        self.network = network
        self.program = flatten(network, stalls, kept_frames=kept_frames)
        self.state = initial_state(self.program)
        self.frames = self.stepped = 0
        zeros = np.zeros(len(self.program.actors), np.int64), np.zeros(len(network.fifos), np.int64)
        self.marks = {0: Mark(0, 0, *zeros)}
        self.periodic: Periodic | None = None
        self.rates = None if len(self.program.gates) else RateFinder()
        self._drift = Drift(self.program) if self.rates and kept_frames == 1 else None
        self._horizon = Horizon(self.program)
        self._row_of = {fifo.name: row for fifo, row in zip(network.fifos, self.program.fifos, strict=False)}
        self._frame_of: dict[bytes, int] = {}

    @property
    def rate(self) -> Fraction | None:
        """Cycles between frames in the end, exactly, or None as long as it is not known."""
        if self.periodic is not None:
            return Fraction(self.periodic.cycles, self.periodic.frames)
        return None if self.rates is None else self.rates.rate

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
        self.stepped += 1
        self._arrive(frame)

    def leap(self, most: int) -> None:
        """Go on, if possible, over frames that are known from those stepped, to frame `most` at the farthest.

        To be called after each `step`, by those who need not see every frame. If times are kept, or under stalls, there
        are no leaps.
        """
        if self._drift is None or self.rates is None or self.periodic is not None:
            return
        frame = self._drift.leap(self.state, self.frames, most, even=self.rates.even)
        if frame > self.frames:
            self.rates.restart()
            self._arrive(frame)

    def _arrive(self, frame: int) -> None:
        """Take down the state at the end of a frame."""
        self.frames = frame
        self.marks[frame] = mark = self._mark()
        times = self._horizon.times(self.state)
        if self.rates is not None:
            self.rates.add(times)
        phases = mark.end % self.program.gates[:, c.GATE_CYCLES]
        digest = blake2b((times - mark.end).tobytes() + phases.tobytes(), digest_size=16).digest()
        before = self._frame_of.setdefault(digest, frame)
        if before != frame:
            self.periodic = Periodic(before, frame - before, mark.end - self.marks[before].end)

    def mark(self, frame: int) -> Mark:
        """Return the sums at the end of a frame that was stepped, or that the periodic state tells."""
        if frame in self.marks:
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

    def _mark(self) -> Mark:
        last = self.state.doing[:, c.LAST]
        end = int(last[-len(self.network.outputs) :].max()) + 1
        still = int((last + self.program.actors[:, c.TAIL]).max()) + 1
        return Mark(end, still, self.state.doing[:, c.BLOCKED].copy(), self.state.residence.copy())
