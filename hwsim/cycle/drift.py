"""Skipping frames in which parts of a network drift apart evenly.

Let X(k) be all times of frame k and of the earlier beats that are still kept, and G the step of a frame, without
stalls. Each component of G(X + t S) is convex in t: the maximum of times that grow linearly with t. Let S be
X(k) - X(k - 1), and X(k - 1) - X(k - 2) the same. If stepping a frame from X(k - 1) + n S gives X(k - 1) + (n + 1) S,
then G is on a straight line at t = -1, 0 and n, and therefore everywhere between. So frames k + 1 to k + n are exactly
those of even drift, and one frame is stepped instead of n.

Sums over a frame grow linearly too. The times of beats in FIFOs are differences of times. The cycles in which a node
was blocked are a sum of times less a sum of convex functions, so if they are on a line at the three points, they are
on it between. And a FIFO holds more than L beats when beat r is read if and only if beat r + L was written before:
this compares two times that grow linearly, so between two frames it is true only if it is true at one of them.
"""

import numpy as np

from hwsim.cycle.kernel import Plan, State, advance

__all__ = ["Drift"]

#: Length in frames of the first leap that is tried.
first_leap = 8


class Drift:
    """Observes the stepped frames, and skips those that are known.

    Parameters
    ----------
    plan : a plan without gates
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._views: list[np.ndarray] = []
        self._sums = np.zeros(0, np.int64)

    def leap(self, state: State, frame: int, most: int, *, even: bool) -> int:
        """Advance the state after a frame as far as it is known, and return the frame after which it is then.

        To be called after each frame.

        Parameters
        ----------
        most : the last frame to advance to
        even : whether the frame seems to have drifted like the one before
        """
        before, self._sums = self._sums, self._sums_of(state)
        if not even:
            self._views.clear()
            return frame
        self._views = [*self._views[-2:], self._view(state, self._sums - before)]
        if len(self._views) < 3 or not np.array_equal(*np.diff(self._views, axis=0)):
            return frame
        slope = self._views[2] - self._views[1]
        length = first_leap
        while min(length, most - frame) > 1:
            length = min(length, most - frame)
            if self._lands(state, slope, length):
                frame += length
                length *= 2
            else:
                length //= 4
        self._views.clear()
        return frame

    def _sums_of(self, state: State) -> np.ndarray:
        return np.concatenate([state.blocked, state.residence])

    def _view(self, state: State, sums: np.ndarray) -> np.ndarray:
        """Return everything that must drift evenly: all times, and the sums over the frame."""
        return np.concatenate([state.times[1:], sums])

    def _lands(self, state: State, slope: np.ndarray, length: int) -> bool:
        """Advance by `length` frames and return True, or leave the state unchanged and return False."""
        kept = [array.copy() for array in state]
        self._move(state, slope, length - 1)
        before = self._sums_of(state)
        advance(self._plan, state, True)
        sums = self._sums_of(state)
        view = self._view(state, sums - before)
        if np.array_equal(view, self._views[-1] + length * slope):
            self._views[-1], self._sums = view, sums
            return True
        for array, old in zip(state, kept, strict=True):
            array[...] = old
        return False

    def _move(self, state: State, slope: np.ndarray, frames: int) -> None:
        """Advance a state by a number of frames of even drift."""
        times, sums = np.split(slope, [len(state.times) - 1])
        state.times[1:] += frames * times
        # The sums of the next frame, of the one after it, and so on.
        totals = frames * self._views[-1][-len(sums) :] + frames * (frames + 1) // 2 * sums
        state.blocked[:] += totals[: len(state.blocked)]
        state.residence[:] += totals[len(state.blocked) :]
