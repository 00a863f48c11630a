"""The fixed token schedule of a node: which beats it consumes and emits in which step.

Control never depends on data. A node repeats a pattern of steps for ever; in step ``s`` it consumes a beat from
input ``i`` if ``consumes[i, s]``, and emits one to output ``o``, `latency` cycles later, if ``emits[o, s]``. RTL
counters, cycle simulator and cost model all read the schedule here.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Schedule"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The token schedule of a node.

    Parameters
    ----------
    consumes : (inputs, period) bool, a beat is consumed when the step is issued
    emits : (outputs, period) bool, a beat is delivered `latency` cycles after the step is issued
    latency : cycles from a step's issue to the cycle in which its beat is written into the FIFO behind; at least 1
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
