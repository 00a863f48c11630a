"""Hardware that is broken on purpose: wrappers around good components, to see that the comparison finds them."""

from collections.abc import Callable

import pytest
from amaranth import Module, Signal, Value
from amaranth.lib import wiring

import dataflow
import rtl.core
from rtl.components import NodeComponent

__all__ = ["break_node", "drop_beat", "late", "swap_lanes"]

#: Breaks what a component reads and writes: called with the module, its input ports and its output ports, each as
#: pairs of the port outside and the port inside.
Fault = Callable[[Module, list[tuple], list[tuple]], None]


def break_node(patch: pytest.MonkeyPatch, name: str, fault: Fault) -> None:
    """Break the component of the node called `name` in every network made from now on."""
    good = rtl.core.component_of

    class Broken(NodeComponent):
        kind = dataflow.Node

        def elaborate(self, platform) -> Module:
            m = Module()
            m.submodules.good = inside = good(self.node)
            fault(
                m,
                list(zip(self.inputs, inside.inputs, strict=True)),
                list(zip(self.outputs, inside.outputs, strict=True)),
            )
            return m

    patch.setattr(rtl.core, "component_of", lambda node: Broken(node) if node.name == name else good(node))


def late(m: Module, inputs: list[tuple], outputs: list[tuple]) -> None:
    """Deliver every beat one cycle too late."""
    _join_inputs(m, inputs)
    for outside, inside in outputs:
        _join_reservation(m, outside, inside)
        m.d.sync += [outside.valid.eq(inside.valid), Value.cast(outside.payload).eq(Value.cast(inside.payload))]


def drop_beat(m: Module, inputs: list[tuple], outputs: list[tuple], *, number: int = 4) -> None:
    """Do not deliver beat number `number` of the run."""
    _join_inputs(m, inputs)
    for outside, inside in outputs:
        _join_reservation(m, outside, inside)
        beat = Signal(range(number + 2))
        with m.If(inside.valid & (beat <= number)):
            m.d.sync += beat.eq(beat + 1)
        m.d.comb += outside.valid.eq(inside.valid & (beat != number))
        m.d.comb += Value.cast(outside.payload).eq(Value.cast(inside.payload))


def swap_lanes(m: Module, inputs: list[tuple], outputs: list[tuple]) -> None:
    """Exchange the two lowest lanes of what is read."""
    for outside, inside in inputs:
        lanes = list(range(outside.payload.shape().length))
        lanes[:2] = lanes[1::-1]
        m.d.comb += [inside.valid.eq(outside.valid), outside.ready.eq(inside.ready)]
        m.d.comb += [inside.payload[k].eq(outside.payload[lane]) for k, lane in enumerate(lanes)]
    for outside, inside in outputs:
        wiring.connect(m, inside, wiring.flipped(outside))


def _join_inputs(m: Module, inputs: list[tuple]) -> None:
    for outside, inside in inputs:
        wiring.connect(m, wiring.flipped(outside), inside)


def _join_reservation(m: Module, outside, inside) -> None:
    m.d.comb += [outside.reserve.eq(inside.reserve), inside.free.eq(outside.free)]
