"""How fast frames follow each other in the end, known exactly long before they do.

Without stalls a frame's times follow from those of the frame before by adding constants and taking the latest: they are
*max-plus linear*. Let x(k) be the times after frame k that all later ones follow from, and F the step of one frame.

* F is monotone, and shifts with time: F(x + c) = F(x) + c. So no later frames are slower, on average, than the largest
  component of (x(k) - x(k - p)) / p, or faster than the smallest. Where a fast part moves by fits and starts, it takes
  a p of several frames to see that it is the faster one.
* Each component of F^p(x + t v) is the latest of times that grow evenly with t, so it is convex in t. If x(k - 3p),
  x(k - 2p), x(k - p) and x(k) lie on a line with slope v, each component of F^p is straight there, and what it is the
  latest of at an inner point has its slope. Going back from a component with the largest slope one meets only such,
  and in the end one that was met before: a circuit whose mean is the largest slope. No network is faster than one of
  its circuits, and by the first point this one is no slower: p frames take the largest slope of v, exactly.

Parts of a network that are faster than the slowest drift ahead into their FIFOs, perhaps for thousands of frames until
everything repeats. The second point only needs them to drift evenly.
"""

from collections import deque
from fractions import Fraction

import numpy as np

from hwsim.cycle.horizon import fingerprint

__all__ = ["RateFinder"]

#: Most frames after which drift may repeat.
longest_period = 48

#: Frames over which bounds of the rate are taken, each as often as it is long.
spans = (1, 2, 4, 8, 16, 32)


class RateFinder:
    """Finds the rate of frames from the times after each of them.

    Attributes
    ----------
    rate : cycles per frame in the end, exactly; None as long as that is not known
    period : frames after which the drift repeats by which the rate was found; 0 as long as it is not known. If it is 1,
        all frames are `rate` apart in the end: none is slower, so that relative to this rate all times only become
        earlier, which must end.
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
        """Take the times after the next frame that all later ones follow from, int64."""
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
        """Take the times' steps over some frames as bounds of the rate."""
        most, least = Fraction(int(steps.max()), span), Fraction(int(steps.min()), span)
        self.most = most if self.most is None else min(most, self.most)
        self.least = least if self.least is None else max(least, self.least)
        if self.most == self.least:
            self.rate, self.period = self.most, span

    @property
    def even(self) -> bool:
        """Whether each of the times moved in the latest frame as in the one before."""
        return self._steps[-2:-1] == self._steps[-1:] != []

    def restart(self) -> None:
        """Say that the times added next are not those of the next frame."""
        self._times.clear()
        self._steps.clear()

    def reaches(self, rate: Fraction | int) -> bool | None:
        """Return whether frames are no more than `rate` cycles apart in the end, or None as long as it is not known."""
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
