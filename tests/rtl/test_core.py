"""Core: names, ports and refusals. `sim_tests` compares what it computes."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth import Shape, Value
from amaranth.lib import stream, wiring

import dataflow
from rtl.components import component_of
from rtl.core import Core, fifo_names
from rtl.streams import Reserved, payload_of
from sim_tests.cases import CASES, dense_network

pytestmark = pytest.mark.sim


def renamed(network: dataflow.Network, names: dict[str, str]) -> dataflow.Network:
    """Return the network with other names of nodes and ends."""
    fifos = tuple(
        replace(f, source=names.get(f.source, f.source), target=names.get(f.target, f.target)) for f in network.fifos
    )
    return replace(
        network,
        nodes=tuple(replace(node, name=names.get(node.name, node.name)) for node in network.nodes),
        inputs=tuple(replace(end, name=names.get(end.name, end.name)) for end in network.inputs),
        outputs=tuple(replace(end, name=names.get(end.name, end.name)) for end in network.outputs),
        fifos=fifos,
        scores=None,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ports_are_the_ends_of_the_network(case) -> None:
    network = case.network()
    core = Core(network)
    for end in network.inputs:
        port = core.input_port(end.name)
        assert port is getattr(core, f"i_{end.name}")
        assert len(Value.cast(port.payload)) == end.stream.width
    for end in network.outputs:
        port = core.output_port(end.name)
        assert port is getattr(core, f"o_{end.name}")
        assert len(Value.cast(port.payload)) == end.stream.width
    assert len(core.signature.members) == len(network.inputs) + len(network.outputs)


def test_fifos_are_numbered_in_the_order_of_the_network() -> None:
    network = CASES[0].network()
    assert list(fifo_names(network)) == [fifo.name for fifo in network.fifos]
    assert list(fifo_names(network).values()) == [f"fifo_{k}" for k in range(len(network.fifos))]
    core = Core(network)
    assert {name: fifo.depth for name, fifo in core.fifos.items()} == {f.name: f.depth for f in network.fifos}


def test_names_with_any_characters_make_a_core() -> None:
    network = renamed(dense_network((4, 2, 2)), {"input": "the input", "fc0": "/net/fc.0", "class": "gr\u00f6\u00dfe"})
    core = Core(network)
    assert set(core.signature.members) == {"i_the_input", "o_gr__e"}
    core.elaborate(None)


def test_network_that_does_not_verify_is_refused() -> None:
    network = dense_network((4, 2, 2))
    broken = replace(network, fifos=network.fifos[:-1])
    with pytest.raises(dataflow.InputError, match=r"^Output 0 of 'arg_max' must have exactly one FIFO, not 0$"):
        Core(broken)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Network of a Core must be a dataflow\.Network, not 'tfc'$"):
        Core("tfc")


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node of a component must be a dataflow\.Node, not str$"):
        component_of("fc0")


@pytest.mark.parametrize("element", [dataflow.BIPOLAR, dataflow.Integer(5), dataflow.Integer(5, signed=True)], ids=str)
def test_payload_is_the_lanes_of_the_stream(element) -> None:
    payload = payload_of(dataflow.Stream(element, (6,), 3))
    assert payload.length == 3
    assert Shape.cast(payload).width == 3 * element.width
    assert payload.elem_shape == Shape(element.width, element.signed)


def test_reserved_mirrors_a_writer() -> None:
    port = Reserved(3).create()
    flows = {name: member.flow for name, member in port.signature.members.items()}
    assert flows == {"payload": wiring.Out, "valid": wiring.Out, "reserve": wiring.Out, "free": wiring.In}


def test_component_ports_are_numbered_if_there_are_several() -> None:
    fork = component_of(dataflow.Fork("copy", dataflow.Integer(3), (4,), 3, 2))
    assert list(fork.signature.members) == ["i", "o_0", "o_1", "o_2"]
    assert isinstance(fork.i.signature, stream.Signature)
    assert isinstance(fork.o_2.signature, Reserved)
    assert fork.outputs == (fork.o_0, fork.o_1, fork.o_2)
    assert np.all([len(Value.cast(port.payload)) == 6 for port in fork.outputs])
