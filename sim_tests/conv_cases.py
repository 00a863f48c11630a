"""Random convolutional networks for the table of cases."""

from dataclasses import replace
from itertools import pairwise
from math import gcd

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
    SumPool,
    Terminal,
    Threshold,
    unsigned_for,
    verify,
    zero_padded,
)
from sim_tests.cases import UINT8, random_weights
from sim_tests.random_codes import random_codes

__all__ = ["POOLS", "conv_network"]

#: Kinds of pools by name.
POOLS = {"max": MaxPool, "sum": SumPool}


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
    zero: bool = False,
    groups: int = 1,
    pool: tuple[int, int] | None = None,
    pool_padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    pool_kinds: tuple[str, ...] = ("max",),
    sums: tuple[bool, ...] = (False,),
    integers: bool = False,
    pixels: Integer = UINT8,
    weights: tuple[Element, ...] = (BIPOLAR,),
    codes: tuple[str, ...] = (),
    seed: int = 0,
) -> Network:
    """Return a random convolutional network, unfolded: convolutions, a pool after each, a dense layer, the class.

    Parameters
    ----------
    shape : (height, width, channels) of an image
    channels : neurons of each convolution
    pad : number that windows emit for a tap outside the image; for pixels 0, unless `zero`
    zero : whether taps outside the image count as 0, regardless of `pad`
    groups : groups of each convolution, reduced to a divisor of its channels and neurons
    pool, pool_padding : kernel and stride of a pool after each convolution, and its padding
    pool_kinds : keys of `POOLS`, used cyclically for the convolutions; sums of bits are compared with thresholds, and
        those of the last pool go into the dense layer
    sums : whether a convolution emits its sums, which are pooled and then compared with thresholds; used cyclically
    integers : whether the first convolution takes the pixels instead of bits
    pixels : type of the pixels that a convolution takes
    weights : types of the weights of the convolutions and of the dense layer, used cyclically
    codes : forms of a `Requantize` instead of the thresholds of each convolution, used cyclically; it comes before the
        pool, or after it where `sums`; () for bits
    """
    rng = np.random.default_rng(seed)
    nodes: list[Node] = []
    if not integers:
        nodes.append(Threshold("binarize", Integer(8), shape, rng.integers(100, 156, shape[-1])))
    here: tuple[int, ...] = shape
    element: Element = pixels if integers else BIPOLAR
    for index, neurons in enumerate(channels):
        name, outside = f"conv{index}", 0 if element != BIPOLAR and not zero else pad
        pool_kind, summed = pool_kinds[index % len(pool_kinds)], sums[index % len(sums)]
        parts = gcd(groups, here[-1], neurons)
        window = SlidingWindow(
            f"{name}.window", element, here, kernel, stride, dilation, padding, pad=outside, groups=parts
        )
        synapses = window.taps * window.group_channels
        matrix = MatrixVector(
            *(name, random_weights(rng, (neurons, synapses), weights[index % len(weights)])),
            positions=window.positions,
            operand=element,
            groups=parts,
            weight_element=weights[index % len(weights)],
        )
        nodes += [window, _leveled(window, matrix, rng, zero=zero, sums=summed or bool(codes))]
        form = codes[index % len(codes)] if codes else None
        if form and not summed:
            nodes.append(random_codes(f"codes{index}", nodes[-1].output_streams[0], form, rng))
        if pool is not None:
            here, element = nodes[-1].output_streams[0].shape, nodes[-1].output_streams[0].element
            nodes.append(POOLS[pool_kind](f"pool{index}", element, here, pool, pool, padding=pool_padding))
        element = nodes[-1].output_streams[0].element
        if form and summed:
            nodes.append(random_codes(f"codes{index}", nodes[-1].output_streams[0], form, rng))
        elif not form and element != BIPOLAR and (summed or index < len(channels) - 1):
            nodes.append(_threshold(f"sign{index}", nodes[-1].output_streams[0], rng))
        here, element = nodes[-1].output_streams[0].shape, nodes[-1].output_streams[0].element
    synapses = int(np.prod(here))
    last = weights[len(channels) % len(weights)]
    dense = random_weights(rng, (classes, synapses), last)
    scores = MatrixVector("fc", dense, operand=element, weight_element=last)
    ones, zeros = np.ones(classes, np.int64), np.zeros(classes, np.int64)
    nodes += [scores, ArgMax("arg_max", scores.element, ones, zeros)]
    chain = ["input", *(node.name for node in nodes), "class"]
    return verify(
        Network(
            "conv-" + "x".join(map(str, shape)),
            tuple(nodes),
            tuple(Fifo(source, target) for source, target in pairwise(chain)),
            (Terminal("input", Stream(pixels if integers else Integer(8), shape)),),
            (Terminal("class", Stream(unsigned_for(classes - 1), (1,))),),
            shape,
            Scores("fc", ones.astype(np.float64), zeros.astype(np.float64)),
        )
    )


def _leveled(
    window: SlidingWindow, matrix: MatrixVector, rng: np.random.Generator, *, zero: bool, sums: bool
) -> MatrixVector:
    """Return a matrix with sums or thresholds, without or with zero padding."""
    if sums:
        return zero_padded(window, matrix) if zero else matrix
    low, high = (-matrix.synapses, matrix.synapses) if matrix.counts_matches and zero else matrix.counted
    levels = _levels(low, high, matrix.neurons, rng)
    if zero:
        return zero_padded(window, matrix, levels)
    return replace(matrix, thresholds=levels)


def _threshold(name: str, stream: Stream, rng: np.random.Generator) -> Threshold:
    element: Element = stream.element
    levels = _levels(element.minimum, element.maximum, stream.shape[-1], rng)
    return Threshold(name, element, stream.shape, levels)


def _levels(low: int, high: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return levels around the middle, so that ties occur; two are always and never met."""
    levels = np.clip((low + high) // 2 + rng.integers(-2, 3, count), low, high + 1)
    levels[: min(2, count)] = (low, high + 1)[: min(2, count)]
    return levels
