"""Estimated resources of the serial link that a board's bitstream has beside the network."""

from dataflow import Cost, Network, fifo_cost
from dataflow.families import family_of
from rtl.link.protocol import sent_outputs

__all__ = ["link_cost"]

#: LUTs and flip-flops of a link, and those of each bit that counts the bytes of a frame. Yosys needs 363 to 499 LUTs
#: for iCE40, ECP5 and Gowin, for frames of 16 to 12,288 bytes and 1 to 98 pixels per beat, which this meets within
#: 12 %. The flip-flops are those of iCE40, of which the others need about 44 fewer.
_LUTS, _LUTS_PER_BIT, _FFS, _FFS_PER_BIT = 340, 10, 185, 3


def link_cost(network: Network, family: str) -> Cost:
    """Return the estimated cost of the link of a network with one input of pixels.

    It has logic, a memory for a frame, and a FIFO for a frame of each output but the first that has several beats.
    """
    pixels = network.inputs[0].stream
    bits = max(1, (pixels.size - 1).bit_length())
    cost = Cost(
        luts=_LUTS + _LUTS_PER_BIT * bits,
        ffs=_FFS + _FFS_PER_BIT * bits + 8 * (pixels.lanes - 1),
        brams=family_of(family).memory.blocks(pixels.size, 8),
    )
    waiting = [end.stream for end in sent_outputs(network)[1:] if end.stream.beats > 1]
    return sum((fifo_cost(each.width, each.beats, family) for each in waiting), start=cost)
