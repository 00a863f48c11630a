"""Rearrange: the pixels of an image in another order, repeated, or left out."""

from typing import ClassVar

from amaranth import Const, Module, Value

import dataflow
from rtl.components._window import BufferedComponent
from rtl.steps import emit_steps

__all__ = ["Rearrange"]


class Rearrange(BufferedComponent[dataflow.Rearrange]):
    """The beats of an image at the places that loops count: ``o = i[start + k_0*stride_0 + k_1*stride_1 + ...]``.

    Throughput one beat in and one beat out per cycle, independent of each other; latency 1 cycle, which reads the
    buffer.

    Parameters
    ----------
    node : dataflow.Rearrange

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers: the image.
    o : ``Out(Reserved(payload))``
        Beats of `pe` numbers: the image out.
    """

    kind: ClassVar = dataflow.Rearrange

    def elaborate(self, platform: object) -> Module:
        m = Module()
        buffer = self._buffer(m)
        emit_steps(m, self, buffer.step, ready=buffer.enough, emits=Const(1))
        m.d.comb += Value.cast(self.o.payload).eq(buffer.o)
        return m
