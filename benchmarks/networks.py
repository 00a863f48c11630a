"""Networks for the benchmarks. Their weights are random, since time depends only on the sizes."""

from itertools import pairwise
from math import prod

import numpy as np

from dataflow import (
    BIPOLAR,
    ArgMax,
    Element,
    Fifo,
    Integer,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    Scores,
    SlidingWindow,
    Stream,
    Terminal,
    fold,
    fold_to_interval,
    unsigned_for,
    verify,
)
from sim_tests.cases import dense_network

__all__ = ["LFC", "SFC", "TFC", "cnv", "deep", "folded", "folded_cnv"]

TFC = (784, 64, 64, 64, 10)
SFC = (784, 256, 256, 256, 10)
LFC = (784, 1024, 1024, 1024, 10)

#: CNV of the BNN-PYNQ networks: neurons of each valid 3x3 convolution and whether a 2x2 max pool follows, then of the
#: dense layers. The folding is FINN's for the same network.
CNV_CONVOLUTIONS = ((64, False), (64, True), (128, False), (128, True), (256, False), (256, False))
CNV_DENSE = (512, 512, 10)
CNV_PE, CNV_SIMD = (16, 32, 16, 16, 4, 1, 1, 1, 4), (3, 32, 32, 32, 32, 32, 4, 8, 1)


def folded(sizes: tuple[int, ...], interval: int) -> Network:
    """Return a dense network of these sizes, folded to an interval."""
    network = dense_network(sizes)
    return fold(network, fold_to_interval(network, interval))


def deep(layers: int) -> Network:
    """Return a network of many equal layers with width converters between them."""
    network = dense_network((64,) * layers + (10,))
    return fold(network, {f"fc{layer}": {"pe": 4, "simd": 8 if layer % 2 else 16} for layer in range(layers - 1)})


def cnv() -> Network:
    """Return CNV, unfolded: 32x32 pixels of three integers, six convolutions, two pools, three dense layers."""
    rng = np.random.default_rng(0)
    nodes: list[Node] = []
    element: Element = Integer(8)
    here: tuple[int, ...] = (32, 32, 3)
    for index, (neurons, pooled) in enumerate(CNV_CONVOLUTIONS):
        window = SlidingWindow(f"conv{index}.window", element, here, (3, 3))
        nodes += [window, _matrix(f"conv{index}", neurons, 9 * here[-1], window.positions, element, rng)]
        here, element = (*window.positions, neurons), BIPOLAR
        if pooled:
            nodes.append(MaxPool(f"pool{index}", BIPOLAR, here, (2, 2), (2, 2)))
            here = nodes[-1].output_streams[0].shape
    synapses = prod(here)
    for index, neurons in enumerate(CNV_DENSE):
        nodes.append(_matrix(f"fc{index}", neurons, synapses, (), BIPOLAR, rng, thresholds=neurons != CNV_DENSE[-1]))
        synapses = neurons
    ones, zeros = np.ones(CNV_DENSE[-1], np.int64), np.zeros(CNV_DENSE[-1], np.int64)
    nodes.append(ArgMax("arg_max", nodes[-1].output_streams[0].element, ones, zeros))
    chain = ["input", *(node.name for node in nodes), "class"]
    fifos = tuple(Fifo(source, target) for source, target in pairwise(chain))
    ends = (Terminal("input", Stream(Integer(8), (32, 32, 3))),), (Terminal("class", Stream(unsigned_for(9), (1,))),)
    scores = Scores(f"fc{len(CNV_DENSE) - 1}", ones.astype(np.float64), zeros.astype(np.float64))
    return verify(Network("cnv", tuple(nodes), fifos, *ends, (32, 32, 3), scores))


def folded_cnv() -> Network:
    """Return CNV with its usual, published folding."""
    layers = [f"conv{index}" for index in range(len(CNV_CONVOLUTIONS))] + [f"fc{index}" for index in range(3)]
    folding = {name: {"pe": pe, "simd": simd} for name, pe, simd in zip(layers, CNV_PE, CNV_SIMD, strict=True)}
    windows = {f"{name}.window": {"pe": folding[name]["simd"]} for name in layers if name.startswith("conv")}
    pools = {f"pool{index}": {"pe": CNV_PE[index]} for index, (_, pooled) in enumerate(CNV_CONVOLUTIONS) if pooled}
    return fold(cnv(), {**folding, **windows, **pools})


def _matrix(
    name: str,
    neurons: int,
    synapses: int,
    positions: tuple[int, ...],
    operand: Element,
    rng: np.random.Generator,
    *,
    thresholds: bool = True,
) -> MatrixVector:
    weights = rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))
    middle = synapses // 2 if operand == BIPOLAR else 0
    levels = middle + rng.integers(-2, 3, neurons) if thresholds else None
    return MatrixVector(name, weights, levels, positions=positions, operand=operand)
