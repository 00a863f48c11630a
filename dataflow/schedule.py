"""The fixed token schedule of a node: the beats that it consumes and emits in each step.

Control never depends on data. A node repeats a pattern of steps. In step ``s`` it consumes a beat from input ``i`` if
``consumes[i, s]``, and emits one to output ``o``, `latency` cycles later, if ``emits[o, s]``. RTL counters, cycle
simulator and cost model all use this schedule.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Buffered", "Schedule"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The token schedule of a node.

    Parameters
    ----------
    consumes : (inputs, period) bool, whether a beat is consumed when the step is issued
    emits : (outputs, period) bool, whether a beat is delivered `latency` cycles after the step is issued
    latency : cycles from a step's issue to the cycle in which its beat is written into the FIFO downstream; at least 1
    repeats : how often the pattern runs in a frame
    """

    consumes: np.ndarray
    emits: np.ndarray
    latency: int
    repeats: int = 1

    def __post_init__(self) -> None:
        assert self.consumes.dtype == self.emits.dtype == bool
        assert self.consumes.shape[1] == self.emits.shape[1] >= 1
        assert 1 <= self.latency <= 63

    @property
    def period(self) -> int:
        """Steps after which the pattern repeats."""
        return self.consumes.shape[1]

    @property
    def steps(self) -> int:
        """Steps per frame, the least cycles that a frame costs."""
        return self.period * self.repeats


@dataclass(frozen=True, eq=False)
class Buffered:
    """The schedules of a node that consists of two actors with a buffer between them.

    `fill` takes one beat from the input per step and writes it into the buffer, if a place is free. `drain` reads the
    buffer and emits. So the node can take the next frame while it still emits the current one, and frames follow each
    other without a bubble.

    The buffer follows the timing contract of a FIFO: a beat written in cycle t is visible to `drain` from t + 1, and a
    place freed in t is visible to `fill` from t + 1. But it is read in any order: step s of `drain` is issued only if
    `needs[s]` beats are in the buffer, counted from the oldest, and frees the `frees[s]` oldest. Beats that no step
    reads may be freed before they have arrived. The number of beats in the buffer is then negative, and no step is
    issued until they have arrived.

    Parameters
    ----------
    fill : consumes the node's input, emits nothing
    drain : consumes nothing, emits to the node's output
    places : beats that the buffer holds
    needs, frees : (drain.period,) int64; the frees of a frame add up to its beats, and no step needs a beat of the next
        frame
    """

    fill: Schedule
    drain: Schedule
    places: int
    needs: np.ndarray
    frees: np.ndarray

    def __post_init__(self) -> None:
        assert self.needs.shape == self.frees.shape == (self.drain.period,)
        assert self.needs.max() <= self.places
        assert (self.frees.cumsum() - self.frees + self.needs).max() <= self.frees.sum()
        assert int(self.frees.sum()) * self.drain.repeats == self.fill.steps

    @property
    def latency(self) -> int:
        """Cycles from a step of `drain` to the cycle in which its beat is written into the FIFO downstream."""
        return self.drain.latency

    @property
    def steps(self) -> int:
        """Steps per frame, the least cycles that a frame costs."""
        return max(self.fill.steps, self.drain.steps)
