"""Streams in hardware: how a node reads beats, and how it writes them into the FIFO downstream.

A node reads a plain `amaranth.lib.stream`. It writes through `Reserved`: a step that will emit reserves a place when it
is issued and delivers the beat a fixed number of cycles later, so the pipeline in between never has to stop.
"""

from amaranth import Format, Shape, Value, signed, unsigned
from amaranth.hdl import ShapeLike, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

import dataflow

__all__ = ["Lanes", "Reserved", "payload_of"]


class Lanes(data.ArrayLayout):
    """Shape of a beat: numbers of the same shape, the first in the lowest bits."""

    def format(self, value: ValueLike, format_spec: str) -> Format:
        """Return the format in which simulators show a beat: as one word.

        Amaranth's own format for arrays adds wires to the Verilog that are named like bits of ``payload``. When Yosys
        reads that text, it takes them for the bits, and leaves bits of the vector without a driver.
        """
        return Format("{}", Value.cast(value))


class Reserved(wiring.Signature):
    """Writing end of a FIFO with reservation, from the writer's side.

    Parameters
    ----------
    payload_shape : shape-like
        Shape of a beat.

    Members
    -------
    payload : ``Out(payload_shape)``
        The beat written.
    valid : ``Out(1)``
        A beat is written in this cycle, into a place that was reserved in this or an earlier cycle.
    reserve : ``Out(1)``
        A place is reserved in this cycle; allowed only while `free`.
    free : ``In(1)``
        At least one place is neither filled nor reserved. Depends on registers only.
    """

    def __init__(self, payload_shape: ShapeLike) -> None:
        Shape.cast(payload_shape)
        super().__init__({"payload": Out(payload_shape), "valid": Out(1), "reserve": Out(1), "free": In(1)})


def payload_of(stream: dataflow.Stream) -> Lanes:
    """Return the shape of a beat: `lanes` numbers, channel 0 in the lowest bits."""
    element = stream.element
    return Lanes(signed(element.width) if element.signed else unsigned(element.width), stream.lanes)
