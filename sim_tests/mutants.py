"""Hardware that is broken on purpose: other networks, and wrappers around correct components. Tests must find them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth import Module, Signal, Value
from amaranth.lib import wiring

import dataflow
import hwsim
import rtl.core
from dataflow import Network, Node
from rtl.components import NodeComponent, component_of
from sim_tests.comparison import Expectation
from sim_tests.recording import Setup
from sim_tests.verification import Verification, expectation_of, record_rtl, setup_of, verify_recording

__all__ = ["Original", "break_node", "drop_beat", "late", "swap_lanes"]


@dataclass(frozen=True, eq=False)
class Original:
    """A network, and frames that distinguish it from its mutants.

    Parameters
    ----------
    frames : (frames, *shape) int64
    seed : seed of the stalls at the ends
    family : device family that the hardware is for
    """

    network: Network
    frames: np.ndarray
    seed: int = 1
    family: str | None = None

    def verify(
        self,
        mutant: Network | None = None,
        *,
        seed: int | None = None,
        simulator: str = "amaranth",
        build_dir: Path = Path(),
    ) -> Verification:
        """Compare the RTL of `mutant`, with the current faults, with the expected results of the true network."""
        setup, expectation = self._expected(self.seed if seed is None else seed)
        (recording,) = record_rtl(
            mutant or self.network, [setup], simulator=simulator, build_dir=build_dir, family=self.family
        )
        return verify_recording(
            self.network, expectation, recording, simulator=simulator, oracle="reference", frames=len(self.frames)
        )

    @cache  # noqa: B019  # as many as the tests' originals, for as long as the tests
    def _expected(self, seed: int) -> tuple[Setup, Expectation]:
        stalls = hwsim.random_stalls(self.network, seed)
        return setup_of(self.network, self.frames, stalls), expectation_of(self.network, self.frames, stalls)

    def stream_after(self, name: str) -> str:
        """Return the first stream that the node called `name` writes."""
        return self.network.fifos_out_of(name)[0].name

    def with_node(self, node: Node) -> Network:
        """Return the network with another node instead of the one with the same name."""
        nodes = tuple(node if each.name == node.name else each for each in self.network.nodes)
        return replace(self.network, nodes=nodes)

    def differing_streams(self, mutant: Network) -> set[str]:
        """Return the streams in which the reference values of the mutant and the network differ."""
        true = self._expected(self.seed)[1].values
        changed = hwsim.reference.evaluate(mutant, self.frames)
        return {name for name in true if not np.array_equal(true[name], changed[name])}


#: Ports of a component: pairs of the outer port, and the port of the correct component inside.
Ports = list[tuple[Any, Any]]

#: Breaks the inputs or outputs of a component. It is called with the module, its input ports and its output ports.
Fault = Callable[[Module, Ports, Ports], None]


def break_node(patch: pytest.MonkeyPatch, name: str, fault: Fault) -> None:
    """Break the component of the node called `name` in every network that is built from now on."""
    good = component_of

    class Broken(NodeComponent[Node]):
        kind = dataflow.Node

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.good = inside = good(self.node)
            fault(
                m,
                list(zip(self.inputs, inside.inputs, strict=True)),
                list(zip(self.outputs, inside.outputs, strict=True)),
            )
            return m

    patch.setattr(rtl.core, "component_of", lambda node: Broken(node) if node.name == name else good(node))


def late(m: Module, inputs: Ports, outputs: Ports) -> None:
    """Deliver every beat one cycle late."""
    _join_inputs(m, inputs)
    for outside, inside in outputs:
        _join_reservation(m, outside, inside)
        m.d.sync += [outside.valid.eq(inside.valid), Value.cast(outside.payload).eq(Value.cast(inside.payload))]


def drop_beat(m: Module, inputs: Ports, outputs: Ports, *, number: int = 4) -> None:
    """Do not deliver beat number `number` of the run."""
    _join_inputs(m, inputs)
    for outside, inside in outputs:
        _join_reservation(m, outside, inside)
        beat = Signal(range(number + 2))
        with m.If(inside.valid & (beat <= number)):
            m.d.sync += beat.eq(beat + 1)
        m.d.comb += outside.valid.eq(inside.valid & (beat != number))
        m.d.comb += Value.cast(outside.payload).eq(Value.cast(inside.payload))


def swap_lanes(m: Module, inputs: Ports, outputs: Ports) -> None:
    """Exchange the two lowest lanes of the input."""
    for outside, inside in inputs:
        lanes = list(range(outside.payload.shape().length))
        lanes[:2] = lanes[1::-1]
        m.d.comb += [inside.valid.eq(outside.valid), outside.ready.eq(inside.ready)]
        m.d.comb += [inside.payload[k].eq(outside.payload[lane]) for k, lane in enumerate(lanes)]
    for outside, inside in outputs:
        wiring.connect(m, inside, wiring.flipped(outside))


def _join_inputs(m: Module, inputs: Ports) -> None:
    for outside, inside in inputs:
        wiring.connect(m, wiring.flipped(outside), inside)


def _join_reservation(m: Module, outside: Any, inside: Any) -> None:
    m.d.comb += [outside.reserve.eq(inside.reserve), inside.free.eq(outside.free)]
