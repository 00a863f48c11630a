"""Codes over a range of points as runs: where each begins, and its code.

A layer of 8-bit weights on 8-bit pixels has millions of points, of which a channel has a few hundred runs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Runs"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of points with one code, by channel; after a channel's last run that one is repeated.

    Parameters
    ----------
    points : (points,) int64, rising
    places : (channels or 1, runs) int64, where in `points` each run begins, the first at 0
    codes : (channels or 1, runs) int64
    counts : (channels or 1,) int64, the number of runs
    """

    points: np.ndarray
    places: np.ndarray
    codes: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, codes: np.ndarray) -> "Runs":
        """Return the runs of codes, (points, channels or 1)."""
        begins = np.ones(codes.shape, bool)
        begins[1:] = codes[1:] != codes[:-1]
        channels, places = np.nonzero(begins.T)
        return cls.of_starts(points, codes.shape[1], channels, places, codes[places, channels])

    @classmethod
    def of_starts(
        cls, points: np.ndarray, channels: int, channel: np.ndarray, place: np.ndarray, code: np.ndarray
    ) -> "Runs":
        """Return runs from where they begin, sorted by channel and then by place; equal neighbours become one run."""
        new = np.ones(len(channel), bool)
        new[1:] = (channel[1:] != channel[:-1]) | (code[1:] != code[:-1])
        channel, place, code = channel[new], place[new], code[new]
        counts = np.bincount(channel, minlength=channels)
        first = np.cumsum(counts) - counts
        numbers = first[:, None] + np.minimum(np.arange(counts.max()), counts[:, None] - 1)
        return cls(points, place[numbers].astype(np.int64), code[numbers].astype(np.int64), counts.astype(np.int64))

    @property
    def channels(self) -> int:
        return len(self.counts)

    @cached_property
    def exists(self) -> np.ndarray:
        """(channels or 1, runs) bool, false where the last run is repeated."""
        return np.asarray(np.arange(self.places.shape[1]) < self.counts[:, None])

    @property
    def first(self) -> np.ndarray:
        """(channels or 1, runs) int64, the first point of each run."""
        return np.asarray(self.points[self.places])

    @property
    def last(self) -> np.ndarray:
        """(channels or 1, runs) int64, the last point of each run."""
        following = np.append(self.places[:, 1:], np.full((self.channels, 1), len(self.points)), axis=1)
        ends = np.where(np.arange(self.places.shape[1]) < self.counts[:, None] - 1, following, len(self.points)) - 1
        return np.asarray(self.points[ends])

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest code."""
        return int(self.codes.min()), int(self.codes.max())

    @property
    def on_a_line(self) -> bool:
        """Whether the codes of each channel are an affine function of the points."""
        if (self.counts == 1).all():
            return True
        if (self.counts != len(self.points)).any():
            return False
        rises, widths = np.diff(self.codes, axis=1), np.diff(self.points)
        return bool((rises * widths[0] == rises[:, :1] * widths).all())

    def with_codes(self, codes: np.ndarray) -> "Runs":
        """Return the runs with other codes, (channels or more, runs); neighbours with equal codes become one."""
        channels = len(codes)
        exists = np.broadcast_to(self.exists, codes.shape)
        channel, number = np.nonzero(exists)
        places = np.broadcast_to(self.places, codes.shape)
        return Runs.of_starts(self.points, channels, channel, places[channel, number], codes[channel, number])

    def of_channels(self, channels: np.ndarray) -> "Runs":
        """Return the runs of some channels, in any order; those that all channels share stay as they are."""
        if self.channels == 1:
            return self
        return Runs(self.points, self.places[channels], self.codes[channels], self.counts[channels])

    def joined(self) -> "Runs":
        """Return the runs of one channel for all where they are alike."""
        alike = (self.counts == self.counts[0]).all() and (self.places == self.places[0]).all()
        if not alike or not (self.codes == self.codes[0]).all():
            return self
        return Runs(self.points, self.places[:1], self.codes[:1], self.counts[:1])

    def equals(self, other: "Runs") -> bool:
        """Return whether codes are the same at all points."""
        return all(
            np.array_equal(*pair)
            for pair in ((self.counts, other.counts), (self.places, other.places), (self.codes, other.codes))
        )

    def at(self, points: np.ndarray) -> np.ndarray:
        """Return the codes of points, (points, channels or 1) int64; of others those of the nearest above, or last."""
        places = np.minimum(np.searchsorted(self.points, points), len(self.points) - 1)
        codes = np.empty((len(points), self.channels), np.int64)
        for channel, count in enumerate(self.counts.tolist()):
            numbers = np.searchsorted(self.places[channel, :count], places, side="right") - 1
            codes[:, channel] = self.codes[channel, numbers]
        return codes
