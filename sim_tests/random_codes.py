"""Random functions from sums to codes, in which codes change where sums usually are."""

import numpy as np

from dataflow import BIPOLAR, Element, Integer, Requantize, Stream

__all__ = ["FORMS", "random_codes"]

#: The forms of the hardware that a function takes.
FORMS = ("steps", "lines", "table")

#: Bits of the widest sums for which a table is made.
_TABLE_WIDTH = 7


def random_codes(name: str, stream: Stream, form: str, rng: np.random.Generator, *, bits: bool = False) -> Requantize:
    """Return a node of a form, with a function that all channels share or with one for each of them.

    Sums that are too wide for a table are compared.

    Parameters
    ----------
    bits : whether the codes are bits; otherwise they are integers of 2 to 4 bits
    """
    result: Element = BIPOLAR if bits else Integer(int(rng.integers(2, 5)), signed=bool(rng.random() < 0.5))
    element, shape = stream.element, stream.shape
    assert isinstance(element, Integer)
    rows = int(rng.choice([1, shape[-1], shape[-1]]))
    low, high = element.minimum, element.maximum
    if form == "table" and element.width <= _TABLE_WIDTH:
        table = rng.integers(result.minimum, result.maximum + 1, (rows, 1 << element.width))
        return Requantize(name, element, shape, result, table=table)
    middle, spread = (low + high) // 2, 1 + (high - low) // 8

    def near(columns: int) -> np.ndarray:
        return np.sort(np.clip(middle + rng.integers(-spread, spread + 1, (rows, columns)), low, high + 1), axis=1)

    if form == "lines":
        starts = near(int(rng.integers(0, 3)))
        multipliers = rng.integers(-40, 41, (rows, starts.shape[1] + 1))
        multipliers[0, 0] = 25  # never all 0
        shift = max(0, (25 * spread).bit_length() - result.width)
        center = (result.minimum + result.maximum + 1 << shift) // 2
        offsets = center + rng.integers(-spread, spread + 1, multipliers.shape) * 8 - middle * multipliers
        return Requantize(name, element, shape, result, starts, multipliers, offsets, shift)
    codes = np.arange(result.minimum, result.maximum + 1)
    # Some count down. Where all channels share a function, one that counts up.
    offsets = np.array([codes[:: 1 - 2 * int(row and rng.random() < 0.4)] for row in range(rows)])
    return Requantize(name, element, shape, result, near(len(codes) - 1), np.zeros_like(offsets), offsets)
