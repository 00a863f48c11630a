"""Scales of Quant nodes: from the numbers that pass on calibration frames, and from weights."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError

__all__ = ["RANGES", "Range", "range_of", "scales_of_weights"]

#: How a range is chosen: all numbers; all but a few; or that of the least squared error.
RANGES = ("max", "percentile", "error")

#: Share of the numbers within a percentile's range.
PERCENTILE = 0.9999

#: Parts of the largest number that are tried as the end of a range.
_PARTS = np.linspace(0.2, 1.0, 41)

#: Numbers of a tensor that are kept, drawn evenly over the frames.
KEPT = 1 << 16


@dataclass(frozen=True)
class Range:
    """The codes of a Quant.

    Parameters
    ----------
    scale : number of a code of 1
    bits : of a code
    signed : whether there are negative codes
    """

    scale: float
    bits: int
    signed: bool

    @property
    def least(self) -> int:
        """The least code."""
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def greatest(self) -> int:
        """The greatest code."""
        return 2 ** (self.bits - self.signed) - 1

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers that the Quant makes of others."""
        return np.clip(np.round(values / self.scale), self.least, self.greatest) * self.scale


def range_of(what: str, values: np.ndarray, bits: int, how: str) -> Range:
    """Return the codes for numbers that were seen.

    Parameters
    ----------
    what : the tensors, for messages
    values : numbers of all tensors with this scale
    bits : of a code
    how : one of `RANGES`

    Raises
    ------
    InputError
        There are infinite numbers, or all are alike.
    """
    if not np.isfinite(values).all():
        raise InputError(f"Numbers of {what} must be finite, not infinite or none, on the calibration frames")
    if values.size == 0 or values.min() == values.max():
        raise InputError(f"Numbers of {what} must vary on the calibration frames, not all be alike")
    signed = bool(values.min() < 0)
    sizes = np.abs(values)
    greatest = Range(1.0, bits, signed).greatest
    if how == "max":
        return Range(_float32(sizes.max() / greatest), bits, signed)
    if how == "percentile":
        return Range(_float32(np.quantile(sizes, PERCENTILE) / greatest), bits, signed)
    found = [Range(_float32(part * sizes.max() / greatest), bits, signed) for part in _PARTS]
    errors = [np.square(each.rounded(values) - values).mean() for each in found]
    return found[int(np.argmin(errors))]


def scales_of_weights(weights: np.ndarray, axis: int, bits: int) -> np.ndarray:
    """Return the scale of each neuron's weights that gives the least squared error, float32 by neuron."""
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.float64)
    greatest = 2 ** (bits - 1) - 1
    largest = np.abs(rows).max(1)
    largest[largest == 0] = 1.0
    best, least = largest / greatest, np.full(len(rows), np.inf)
    for part in _PARTS:
        scales = part * largest / greatest
        rounded = np.clip(np.round(rows / scales[:, None]), -greatest, greatest) * scales[:, None]
        errors = np.square(rounded - rows).mean(1)
        best = np.where(errors < least, scales, best)
        least = np.minimum(errors, least)
    return best.astype(np.float32)


def _float32(value: float) -> float:
    """Return the nearest float32, which is what a file holds; above 0."""
    return float(max(np.float32(value), np.finfo(np.float32).tiny))
