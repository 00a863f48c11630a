"""Random convolutional networks for the one table of cases."""

from itertools import pairwise

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
    Threshold,
    unsigned_for,
    verify,
)

__all__ = ["conv_network"]


def conv_network(
    shape: tuple[int, int, int],
    channels: tuple[int, ...],
    *,
    classes: int = 4,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    pad: int = 0,
    pool: tuple[int, int] | None = None,
    integers: bool = False,
    seed: int = 0,
) -> Network:
    """Return a random convolutional network, unfolded: convolutions, a pool behind each, a dense layer, the class.

    Parameters
    ----------
    shape : (height, width, channels) of an image
    channels : neurons of each convolution
    pool : kernel and stride of a max pool behind each convolution
    integers : whether the first convolution takes the pixels themselves, instead of bits
    """
    rng = np.random.default_rng(seed)
    nodes: list[Node] = []
    element = Integer(8) if integers else BIPOLAR
    if not integers:
        nodes.append(Threshold("binarize", Integer(8), shape, rng.integers(100, 156, shape[-1])))
    here = shape
    for index, neurons in enumerate(channels):
        window = SlidingWindow(
            f"conv{index}.window",
            element,
            here,
            kernel,
            stride,
            dilation,
            padding,
            pad=0 if integers and not index else pad,
        )
        synapses = window.taps * here[-1]
        weights = rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))
        nodes += [window, _thresholded(f"conv{index}", weights, window.positions, element, rng)]
        here, element = (*window.positions, neurons), BIPOLAR
        if pool is not None:
            nodes.append(MaxPool(f"pool{index}", BIPOLAR, here, pool, pool))
            here = (*nodes[-1].output_streams[0].shape,)
    synapses = int(np.prod(here))
    scores = MatrixVector("fc", rng.choice(np.array([-1, 1], np.int8), (classes, synapses)))
    ones, zeros = np.ones(classes, np.int64), np.zeros(classes, np.int64)
    nodes += [scores, ArgMax("arg_max", scores.element, ones, zeros)]
    chain = ["input", *(node.name for node in nodes), "class"]
    return verify(
        Network(
            "conv-" + "x".join(map(str, shape)),
            tuple(nodes),
            tuple(Fifo(source, target) for source, target in pairwise(chain)),
            (Terminal("input", Stream(Integer(8), shape)),),
            (Terminal("class", Stream(unsigned_for(classes - 1), (1,))),),
            shape,
            Scores("fc", ones.astype(np.float64), zeros.astype(np.float64)),
        )
    )


def _thresholded(
    name: str, weights: np.ndarray, positions: tuple[int, ...], element: Element, rng: np.random.Generator
) -> MatrixVector:
    """Return a matrix with thresholds around the middle, so that ties happen; two are always and never met."""
    bare = MatrixVector(name, weights, positions=positions, operand=element)
    low, high = bare.counted
    levels = np.clip((low + high) // 2 + rng.integers(-2, 3, len(weights)), low, high + 1)
    levels[: min(2, len(weights))] = (low, high + 1)[: min(2, len(weights))]
    return MatrixVector(name, weights, levels, positions=positions, operand=element)
