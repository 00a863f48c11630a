"""Estimated resources of the serial link that a board's bitstream has beside the network."""

from dataflow import Cost, Network, fifo_cost
from dataflow.families import family_of
from rtl.link.protocol import sent_outputs

__all__ = ["link_cost"]

#: LUTs and flip-flops of a link, and those of each bit that counts the bytes of a frame. Yosys needs 368 to 467 LUTs
#: for iCE40, ECP5 and Gowin, for frames of 16 to 3,072 bytes and 1 to 98 pixels per beat, which this meets within
#: 12 %. The flip-flops are those of iCE40, which this meets within 4 %; the others need about 33 fewer.
_LUTS, _LUTS_PER_BIT, _FFS, _FFS_PER_BIT = 335, 10, 202, 3


def link_cost(network: Network, family: str) -> Cost:
    """Return the estimated cost of the link of a network with one input of pixels.

    It has logic, a memory for a frame and a register for a beat of it, and a FIFO for a frame of each output but the
    first that has several beats. Each of the other outputs has a register for a beat.
    """
    pixels = network.inputs[0].stream
    bits = max(1, (pixels.size - 1).bit_length())
    first, *others = (end.stream for end in sent_outputs(network))
    waiting = [each for each in others if each.beats > 1]
    registered = [first, *(each for each in others if each.beats == 1)]
    cost = Cost(
        luts=_LUTS + _LUTS_PER_BIT * bits,
        ffs=_FFS + _FFS_PER_BIT * bits + 8 * pixels.lanes + sum(each.width for each in registered),
        brams=family_of(family).memory.blocks(pixels.size, 8),
    )
    return sum((fifo_cost(each.width, each.beats, family) for each in waiting), start=cost)
