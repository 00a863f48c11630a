"""Stepping a network frame by frame, until its state is one that has occurred before."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dataflow import Fifo, Network
from hwsim.cycle.deadlock import deadlock_of
from hwsim.cycle.drift import Drift
from hwsim.cycle.horizon import fingerprint, horizon
from hwsim.cycle.kernel import advance
from hwsim.cycle.plan import StandstillError, initial_state, plan_of
from hwsim.cycle.program import flatten
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
    still : cycles until nothing moves, if no frame follows
    blocked : (actors,) int64, cycles in which only a place was missing
    residence : (fifos,) int64, sum of the cycles in which beats were stored
    """

    end: int
    still: int
    blocked: np.ndarray
    residence: np.ndarray

    def moved(self, earlier: "Mark", later: "Mark", times: int) -> "Mark":
        """Return this mark plus `times` times the difference from `earlier` to `later`."""
        return Mark(
            self.end + times * (later.end - earlier.end),
            self.still + times * (later.end - earlier.end),
            self.blocked + times * (later.blocked - earlier.blocked),
            self.residence + times * (later.residence - earlier.residence),
        )


class Stepper:
    """Steps a network frame by frame.

    Between two frames every FIFO is empty, because a frame is stepped to its end before the next one begins. This is
    the order of computation, not of time: the first events of the next frame may be earlier than the last ones of
    this frame.

    Parameters
    ----------
    recorded_frames : number of first frames whose times are kept; if 0, only those of the latest frame are

    Raises
    ------
    DeadlockError
        The network deadlocks before the end of a frame.

    Attributes
    ----------
    frames : frames that have passed
    stepped : how many of them were stepped; the others were skipped
    marks : the sums at the end of a frame, by frame, if known; those of frame 0, before the first, are zero
    periodic : the periodic state, or None until it is known
    rates : the finder of the rate of frames; None if there are stalls
    """

    def __init__(self, network: Network, stalls: Stalls, *, recorded_frames: int = 0) -> None:
        self.network = network
        self.program = flatten(network, stalls)
        try:
            self.plan = plan_of(self.program)
        except StandstillError as standstill:
            raise deadlock_of(network, self.program, standstill.nexts) from None
        self.state = initial_state(self.program, self.plan)
        self.frames = self.stepped = 0
        zeros = np.zeros(len(self.program.actors), np.int64), np.zeros(len(network.fifos), np.int64)
        self.marks = {0: Mark(0, 0, *zeros)}
        self.periodic: Periodic | None = None
        self.rates = None if len(self.plan.gates) else RateFinder()
        self._cycles = np.array([len(gate) for gate in (*stalls.inputs.values(), *stalls.outputs.values())], np.int64)
        self._tails = np.array([actor.tail for actor in self.program.actors])
        self._drift = None if recorded_frames or self.rates is None else Drift(self.plan)
        self._recorded_frames = recorded_frames
        self._recorded = [] if recorded_frames else [self.state.times]
        self._channel_of = {fifo.name: row for fifo, row in zip(network.fifos, self.program.channels, strict=False)}
        self._frame_of: dict[bytes, int] = {}

    @property
    def rate(self) -> Fraction | None:
        """Exact cycles between frames in steady state, or None until they are known."""
        if self.periodic is not None:
            return Fraction(self.periodic.cycles, self.periodic.frames)
        return None if self.rates is None else self.rates.rate

    def step(self) -> None:
        """Step one more frame, and check whether the state has occurred before."""
        advance(self.plan, self.state, True)
        if len(self._recorded) < self._recorded_frames:
            self._recorded.append(self.state.times.copy())
        self.stepped += 1
        self._arrive(self.frames + 1)

    def leap(self, most: int) -> None:
        """Skip frames that are known from the stepped ones, if possible, at most up to frame `most`.

        To be called after each `step` by callers that do not need every frame. If times are recorded, or with stalls,
        no frame is skipped.
        """
        if self._drift is None or self.rates is None or self.periodic is not None:
            return
        frame = self._drift.leap(self.state, self.frames, most, even=self.rates.even)
        if frame > self.frames:
            self.rates.restart()
            self._arrive(frame)

    def _arrive(self, frame: int) -> None:
        """Record the state at the end of a frame."""
        self.frames = frame
        self.marks[frame] = mark = self._mark()
        times = horizon(self.plan, self.state)
        if self.rates is not None:
            self.rates.add(times)
        phases = mark.end % self._cycles
        before = self._frame_of.setdefault(fingerprint(times - mark.end).tobytes() + phases.tobytes(), frame)
        if before != frame:
            self.periodic = Periodic(before, frame - before, mark.end - self.marks[before].end)

    def mark(self, frame: int) -> Mark:
        """Return the sums at the end of a frame that was stepped, or that follows from the periodic state."""
        if frame in self.marks:
            return self.marks[frame]
        assert self.periodic is not None
        start, period = self.periodic.start, self.periodic.frames
        times, rest = divmod(frame - start, period)
        return self.marks[start + rest].moved(self.marks[start], self.marks[start + period], times)

    def writes(self, fifo: Fifo, frames: int) -> np.ndarray:
        """Return the cycles of a FIFO's writes in the first frames, in the form of `reads`."""
        channel = self._channel_of[fifo.name]
        return self._times(channel.writes, frames) + channel.latency

    def reads(self, fifo: Fifo, frames: int) -> np.ndarray:
        """Return the cycles of a FIFO's reads in the first, recorded frames, or in the latest if none are recorded.

        Returns
        -------
        (frames, beats) int64; the frames that were not stepped follow from the periodic state
        """
        return self._times(self._channel_of[fifo.name].reads, frames)

    def _times(self, slots: np.ndarray, frames: int) -> np.ndarray:
        times = np.empty((frames, len(slots)), np.int64)
        for frame in range(frames):
            if frame < len(self._recorded):
                times[frame] = self._recorded[frame][slots]
            else:
                assert self.periodic is not None
                times[frame] = times[frame - self.periodic.frames] + self.periodic.cycles
        return times

    def _mark(self) -> Mark:
        last = self.state.times[self.plan.befores]
        end = int(last[-len(self.network.outputs) :].max()) + 1
        still = int((last + self._tails).max()) + 1
        return Mark(end, still, self.state.blocked.copy(), self.state.residence.copy())
