"""Core: the network's nodes, and the FIFOs between them."""

from typing import Any

from amaranth import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

import dataflow
from dataflow.naming import plain_names
from rtl.components import Fifo, component_of
from rtl.streams import payload_of

__all__ = ["Core", "fifo_names"]


def fifo_names(network: dataflow.Network) -> dict[str, str]:
    """Return the name of each FIFO's submodule in `Core`, by FIFO name."""
    return {fifo.name: f"fifo_{index}" for index, fifo in enumerate(network.fifos)}


class Core(wiring.Component):
    """A network in hardware.

    It accepts a frame every ``network.interval`` cycles if the FIFOs are deep enough. Control signals are registered at
    every border, so that no combinational path leads from one port to another.

    Parameters
    ----------
    network : dataflow.Network
        It is verified first. FIFO number k becomes submodule ``fifo_k``, and each node ``node_<name>``.

    Attributes
    ----------
    nodes : dict
        The component of each node, by name.
    fifos : dict
        The `Fifo` of each edge, by name.

    Members
    -------
    i_<terminal> : ``In(stream.Signature(payload))``
        Beats of a network input; ready while the FIFO after it has a free place.
    o_<terminal> : ``Out(stream.Signature(payload))``
        Beats of a network output.
    """

    def __init__(self, network: dataflow.Network) -> None:
        if not isinstance(network, dataflow.Network):
            raise TypeError(f"Network of a Core must be a dataflow.Network, not {network!r}")
        self.network = dataflow.verify(network)
        names = plain_names(terminal.name for terminal in (*network.inputs, *network.outputs))
        self._input_ports = {terminal.name: f"i_{names[terminal.name]}" for terminal in network.inputs}
        self._output_ports = {terminal.name: f"o_{names[terminal.name]}" for terminal in network.outputs}
        members = {}
        for terminal in network.inputs:
            members[self._input_ports[terminal.name]] = In(stream.Signature(payload_of(terminal.stream)))
        for terminal in network.outputs:
            members[self._output_ports[terminal.name]] = Out(stream.Signature(payload_of(terminal.stream)))
        self.nodes = {node.name: component_of(node) for node in network.nodes}
        self.fifos = {each.name: Fifo(payload_of(network.stream(each)), each.depth) for each in network.fifos}
        super().__init__(members)

    def input_port(self, name: str) -> Value:
        """Return the port of the network input called `name`."""
        return getattr(self, self._input_ports[name])

    def output_port(self, name: str) -> Value:
        """Return the port of the network output called `name`."""
        return getattr(self, self._output_ports[name])

    def elaborate(self, platform: object) -> Module:
        m = Module()
        names, places = plain_names(self.nodes), fifo_names(self.network)
        for name, component in self.nodes.items():
            m.submodules[f"node_{names[name]}"] = component
        for edge in self.network.fifos:
            m.submodules[places[edge.name]] = fifo = self.fifos[edge.name]
            if edge.source in self.nodes:
                wiring.connect(m, self.nodes[edge.source].outputs[edge.source_port], fifo.i)
            else:
                self._connect_input(m, self.input_port(edge.source), fifo)
            if edge.target in self.nodes:
                wiring.connect(m, fifo.o, self.nodes[edge.target].inputs[edge.target_port])
            else:
                wiring.connect(m, fifo.o, wiring.flipped(self.output_port(edge.target)))
        return m

    def _connect_input(self, m: Module, port: Any, fifo: Fifo) -> None:
        """Connect an input port to its FIFO: an accepted beat reserves its place in the same cycle."""
        # The environment has no pipeline, so unlike a node it writes in the cycle in which it reserves.
        accepted = port.valid & fifo.i.free
        m.d.comb += [
            fifo.i.payload.eq(port.payload),
            fifo.i.valid.eq(accepted),
            fifo.i.reserve.eq(accepted),
            port.ready.eq(fifo.i.free),
        ]
