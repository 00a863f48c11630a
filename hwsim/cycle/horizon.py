"""The times that all later ones follow from."""

import numpy as np

from hwsim.cycle import kernel as c
from hwsim.cycle.kernel import Program, State

__all__ = ["Horizon", "LatestBeats"]


class LatestBeats:
    """The latest beats of each FIFO, buffers included.

    Parameters
    ----------
    counts : (fifos,) int64, how many of each; no more than its ring has slots
    """

    def __init__(self, program: Program, counts: np.ndarray) -> None:
        fifos = program.fifos
        self.owner = np.repeat(np.arange(len(fifos)), counts)
        self.newest = (np.cumsum(counts) - counts)[self.owner]
        self._age = np.arange(len(self.owner)) - self.newest + 1
        self._first_slot = fifos[self.owner, c.FIRST_SLOT]
        self._ring_size = (fifos[:, c.END_SLOT] - fifos[:, c.FIRST_SLOT])[self.owner]

    def slots(self, state: State) -> np.ndarray:
        """Return where their times are: the FIFOs one behind the other, of each the latest beat first."""
        slots = state.filled[self.owner, c.WRITE_SLOT] - self._age
        slots += np.where(slots < self._first_slot, self._ring_size, 0)
        return slots


class Horizon:
    """Gathers the times that all later ones follow from, once a frame has been stepped to its end.

    These are each actor's last event and the latest `depth` reads of each FIFO, buffers included. A read no later than
    the writer's latest emission constrains nothing any more, so it counts as being as late as that.
    """

    def __init__(self, program: Program) -> None:
        self._beats = LatestBeats(program, program.fifos[:, c.DEPTH])
        self._latency = program.fifos[self._beats.owner, c.LATENCY]

    def times(self, state: State) -> np.ndarray:
        """Return the times, int64."""
        times = state.times[self._beats.slots(state)]
        issues = times[self._beats.newest, c.WRITES] - self._latency
        return np.concatenate([state.doing[:, c.LAST], np.maximum(times[:, c.READS], issues)])
