"""Pipelining: registers around the memories of the nodes that can have them, for a faster clock."""

from dataclasses import replace

from dataflow.network import Network

__all__ = ["is_pipelined", "pipelined"]


def pipelined(network: Network, *, on: bool = True) -> Network:
    """Return the network with registers around the memories of its nodes, or without.

    Values and interval are the same with FIFOs that are deep enough; latencies differ. Depths are kept.
    """
    return replace(network, nodes=tuple(node.with_pipelining(on) for node in network.nodes))


def is_pipelined(network: Network) -> bool:
    """Return whether any node has registers around its memories."""
    return any(node.is_pipelined for node in network.nodes)
