"""How large a tensor may be: what a file says of sizes becomes memory here, so it is bounded first."""

from collections.abc import Sequence
from math import prod

from dataflow import InputError

__all__ = ["MOST_NUMBERS", "check_size"]

#: More than any network for an FPGA has in one tensor; as int64 half a gigabyte.
MOST_NUMBERS = 1 << 26


def check_size(what: str, shape: Sequence[int]) -> None:
    """Refuse a tensor with more numbers than are supported.

    Parameters
    ----------
    what : begins the sentence
    """
    if prod(shape) > MOST_NUMBERS:
        shown = "x".join(map(str, shape))
        raise InputError(f"{what} must have at most {MOST_NUMBERS} numbers, not {prod(shape)} ({shown})")
