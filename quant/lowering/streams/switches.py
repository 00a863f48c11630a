"""Codes over a range become the one point where they switch."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError
from quant.lowering.graph.operations import Elementwise
from quant.lowering.streams.runs import Runs

__all__ = ["SeveralChangesError", "Switch", "levels_of", "one_bit_levels", "switch_of"]


class SeveralChangesError(InputError):
    """A bit changes more than once over the range of a channel."""


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


def levels_of(quantizer: Elementwise, runs: Runs) -> tuple[int, int] | None:
    """Return the two codes of a quantizer, or None if more than two occur.

    Raises
    ------
    InputError
        A Sign meets zero.
    """
    zero = (runs.codes == 0).any(axis=1)
    if quantizer.kind == "Sign" and zero.any():
        channel = int(zero.argmax())
        raise InputError(
            f"Node {quantizer.name!r} (Sign) must not meet zero, not in channel {channel}: "
            "use BipolarQuant, whose sign of 0 is +1"
        )
    levels = one_bit_levels(quantizer)
    if levels is None:
        present = np.unique(runs.codes)
        levels = (int(present[0]), int(present[-1])) if len(present) <= 2 else None
    return levels


def switch_of(bits: Runs, what: str, label: str) -> Switch:
    """Return the switches of bits that change at most once.

    Parameters
    ----------
    bits : of which the codes are 0 and 1
    what : the node, for the error
    label : what people call the numbers, for the error

    Raises
    ------
    SeveralChangesError
        A channel changes more than once.
    """
    several = np.nonzero(bits.counts > 2)[0]
    if len(several):
        places = bits.first[several[0], 1 : bits.counts[several[0]]]
        shown = ", ".join(map(str, places[:3])) + (", ..." if len(places) > 3 else "")
        raise SeveralChangesError(
            f"Bit of node {what!r} must change at most once over the range of channel {several[0]} of {label}, "
            f"not at {shown}: use operators before it that only rise or only fall there"
        )
    changes = bits.counts == 2
    place = np.where(changes, bits.places[:, -1], np.where(bits.codes[:, 0] == 1, 0, len(bits.points)))
    return Switch(place, ~(changes & (bits.codes[:, 0] == 1)))
