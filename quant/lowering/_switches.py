"""Codes over a range become the one point where they switch."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.operations import Elementwise

__all__ = ["Switch", "choose", "levels_of", "switch_of"]


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


def levels_of(quantizer: Elementwise, codes: np.ndarray) -> tuple[int, int]:
    """Return the two codes of a quantizer of one bit.

    Parameters
    ----------
    codes : all codes that occur, (points, channels)

    Raises
    ------
    InputError
        More than two codes occur.
    """
    if quantizer.kind == "Sign":
        if (codes == 0).any():
            channel = int(np.nonzero((codes == 0).any(axis=0))[0][0])
            raise InputError(
                f"Node {quantizer.name!r} (Sign) must not meet zero, not in channel {channel}: "
                "use BipolarQuant, whose sign of 0 is +1"
            )
        return -1, 1
    low, high = quantizer.attributes.get("low", -1), quantizer.attributes.get("high", 1)
    if quantizer.attributes.get("step", "bipolar") == "bipolar" or high - low == 1:
        return low, high
    present = np.unique(codes)
    if len(present) > 2:
        raise InputError(
            f"Node {quantizer.name!r} ({quantizer.kind}) must quantize to one bit in front of a dense layer, "
            f"not to {len(present)} codes ({present[0]} to {present[-1]})"
        )
    return int(present[0]), int(present[-1])


def switch_of(bits: np.ndarray, what: str, channel: str, points: np.ndarray) -> Switch:
    """Return the switches of bits that change at most once.

    Parameters
    ----------
    bits : (points, channels) bool
    what : the node, for the error
    channel : what people call a channel
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
            f"Bit of node {what!r} must change at most once over the range of {channel} {several[0]}, "
            f"not at {shown}: use operators in front of it that only rise or only fall there"
        )
    falling = bits[0] & ~bits[-1]
    moved = bits ^ falling  # now every channel rises or is constant
    place = np.where(moved.any(axis=0), moved.argmax(axis=0), len(bits))
    return Switch(place.astype(np.int64), ~falling)


def choose(where: np.ndarray, yes: Exact, no: Exact) -> Constant:
    """Return `yes` or `no` by channel; as `yes` is if `where` is true everywhere."""
    chosen = yes.values if where.all() else np.where(where, yes.values, no.values)
    return Constant.of(chosen.reshape(()) if chosen.size == 1 else chosen)
