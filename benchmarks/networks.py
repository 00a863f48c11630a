"""The networks that are measured, with random weights: time depends on the sizes alone."""

from dataflow import Network, fold, fold_to_interval
from sim_tests.cases import dense_network

__all__ = ["LFC", "SFC", "TFC", "deep", "folded"]

TFC = (784, 64, 64, 64, 10)
SFC = (784, 256, 256, 256, 10)
LFC = (784, 1024, 1024, 1024, 10)


def folded(sizes: tuple[int, ...], interval: int) -> Network:
    """Return a dense network of these sizes, folded to an interval."""
    network = dense_network(sizes)
    return fold(network, fold_to_interval(network, interval))


def deep(layers: int) -> Network:
    """Return a network of many equal layers, between which width converters stand."""
    network = dense_network((64,) * layers + (10,))
    return fold(network, {f"fc{layer}": {"pe": 4, "simd": 8 if layer % 2 else 16} for layer in range(layers - 1)})
