"""The exact rate of frames in steady state, found long before the steady state is reached.

Without stalls, the times of a frame follow from those of the previous one by adding constants and taking maxima: they
are *max-plus linear*. Let x(k) be the times after frame k from which all later ones follow, and F the step of a frame.

* F is monotone, and shifts with time: F(x + c) = F(x) + c. So later frames are on average not slower than the largest
  component of (x(k) - x(k - p)) / p, and not faster than the smallest. If a fast part moves irregularly, only a p of
  several frames shows that it is the faster one.
* Each component of F^p(x + t v) is the maximum of times that grow linearly with t, so it is convex in t. If x(k - 3p),
  x(k - 2p), x(k - p) and x(k) are on a line with slope v, each component of F^p is straight there, and the time that
  attains the maximum at an inner point has the same slope. Going back from a component with the largest slope, one
  meets only such times, and eventually one that was met before: a circuit whose mean is the largest slope. No network
  is faster than one of its circuits, and by the first point it is not slower: p frames take exactly the largest slope.

Parts of a network that are faster than the slowest one drift ahead into their FIFOs, possibly for thousands of frames
until everything repeats. The second point requires only that they drift evenly.
"""

from collections import deque
from fractions import Fraction

import numpy as np

from hwsim.cycle.horizon import fingerprint

__all__ = ["RateFinder"]

#: Longest period of the drift, in frames.
longest_period = 48

#: Spans, in frames, over which bounds of the rate are taken. A span of p frames is evaluated every p frames.
spans = (1, 2, 4, 8, 16, 32)


class RateFinder:
    """Finds the rate of frames from the times after each of them.

    Attributes
    ----------
    rate : exact cycles per frame in steady state; None until it is known
    period : period, in frames, of the drift that gave the rate; 0 until it is known. If it is 1, all frames are `rate`
        apart in steady state: none is slower, so relative to this rate all times only become earlier, which must end.
    most, least : bounds of the rate; None after less than two frames
    """

    def __init__(self) -> None:
        self.rate: Fraction | None = None
        self.period = 0
        self.most: Fraction | None = None
        self.least: Fraction | None = None
        self._frames = 0
        self._times: deque[np.ndarray] = deque(maxlen=longest_period + 1)
        self._fingerprint = np.zeros(2, np.uint64)
        self._steps: list[bytes] = []

    def add(self, times: np.ndarray) -> None:
        """Add the times after the next frame from which all later ones follow, int64."""
        before, self._fingerprint = self._fingerprint, fingerprint(times)
        if self._times:
            self._steps.append((self._fingerprint - before).tobytes())
        self._frames += 1
        for span in spans:
            if self.rate is None and self._frames % span == 0 and len(self._times) >= span:
                self._bound(times - self._times[-span], span)
        self._times.append(times)
        if self.rate is None:
            self._settle()

    def _bound(self, steps: np.ndarray, span: int) -> None:
        """Use the differences of the times over a span of frames as bounds of the rate."""
        most, least = Fraction(int(steps.max()), span), Fraction(int(steps.min()), span)
        self.most = most if self.most is None else min(most, self.most)
        self.least = least if self.least is None else max(least, self.least)
        if self.most == self.least:
            self.rate, self.period = self.most, span

    @property
    def even(self) -> bool:
        """Whether each time changed in the latest frame as in the one before."""
        return self._steps[-2:-1] == self._steps[-1:] != []

    def restart(self) -> None:
        """Forget the history: the times added next are not those of the next frame."""
        self._times.clear()
        self._steps.clear()

    def reaches(self, rate: Fraction | int) -> bool | None:
        """Return whether frames are at most `rate` cycles apart in steady state, or None while that is unknown."""
        if self.rate is not None:
            return self.rate <= rate
        if self.most is not None and self.most <= rate:
            return True
        return False if self.least is not None and self.least > rate else None

    def _settle(self) -> None:
        steps = self._steps
        for period in range(1, min(longest_period, len(steps) // 3) + 1):
            if steps[-1] == steps[-1 - period] and steps[-2 * period :] == steps[-3 * period : -period]:
                self.rate = Fraction(int((self._times[-1] - self._times[-1 - period]).max()), period)
                self.period = period
                return
