"""Codes over a range become the one point where they switch."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError
from quant.lowering.graph.operations import Elementwise

__all__ = ["Switch", "levels_of", "one_bit_levels", "switch_of"]


@dataclass(frozen=True, eq=False)
class Switch:
    """Where a bit changes along the points, by channel.

    Parameters
    ----------
    place : (channels,) int64, 0 to the number of points
    rising : (channels,) bool; where true the bit is 1 from `place` on, else it is 1 before `place`
    """

    place: np.ndarray
    rising: np.ndarray


def one_bit_levels(quantizer: Elementwise) -> tuple[int, int] | None:
    """Return the two codes of a quantizer that has no more, whatever it reads."""
    low, high = quantizer.attributes.get("low", -1), quantizer.attributes.get("high", 1)
    one_bit = quantizer.attributes.get("step", "bipolar") == "bipolar" or high - low == 1
    return (int(low), int(high)) if one_bit else None


def levels_of(quantizer: Elementwise, codes: np.ndarray) -> tuple[int, int] | None:
    """Return the two codes of a quantizer, or None if more than two occur.

    Parameters
    ----------
    codes : all codes that occur, (points, channels)

    Raises
    ------
    InputError
        A Sign meets zero.
    """
    if quantizer.kind == "Sign" and (codes == 0).any():
        channel = int(np.nonzero((codes == 0).any(axis=0))[0][0])
        raise InputError(
            f"Node {quantizer.name!r} (Sign) must not meet zero, not in channel {channel}: "
            "use BipolarQuant, whose sign of 0 is +1"
        )
    levels = one_bit_levels(quantizer)
    if levels is None:
        present = np.unique(codes)
        levels = (int(present[0]), int(present[-1])) if len(present) <= 2 else None
    return levels


def switch_of(bits: np.ndarray, what: str, label: str, points: np.ndarray) -> Switch:
    """Return the switches of bits that change at most once.

    Parameters
    ----------
    bits : (points, channels) bool
    what : the node, for the error
    label : what people call the numbers, for the error
    points : (points,) int64, what people know as the points

    Raises
    ------
    InputError
        A channel changes more than once.
    """
    changes = bits[1:] != bits[:-1]
    several = np.nonzero(changes.sum(axis=0) > 1)[0]
    if len(several):
        places = points[1:][changes[:, several[0]]]
        shown = ", ".join(map(str, places[:3])) + (", ..." if len(places) > 3 else "")
        raise InputError(
            f"Bit of node {what!r} must change at most once over the range of channel {several[0]} of {label}, "
            f"not at {shown}: use operators before it that only rise or only fall there"
        )
    falling = bits[0] & ~bits[-1]
    moved = bits ^ falling  # now every channel rises or is constant
    place = np.where(moved.any(axis=0), moved.argmax(axis=0), len(bits))
    return Switch(place.astype(np.int64), ~falling)
