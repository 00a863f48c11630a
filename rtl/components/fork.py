"""Fork: one stream to several readers."""

from typing import ClassVar

from amaranth import Const, Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import issue_steps

__all__ = ["Fork"]


class Fork(NodeComponent[dataflow.Fork]):
    """Every beat to each output: ``o_k[t + 1] = i[t]``.

    Throughput one beat per cycle, latency 1 cycle. A step is issued when all outputs have a free place.

    Parameters
    ----------
    node : dataflow.Fork

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o_0, o_1 ... : ``Out(Reserved(payload))``
        The same beats, at one port per copy.
    """

    kind: ClassVar = dataflow.Fork

    def elaborate(self, platform: object) -> Module:
        m = Module()
        issue_steps(m, self, Signal(name="issue"), consumes=Const(1), emits=Const(1))
        bits = Signal(len(Value.cast(self.i.payload)), reset_less=True)
        m.d.sync += bits.eq(self.i.payload)
        m.d.comb += [port.payload.eq(bits) for port in self.outputs]
        return m
