"""The network that a recipe would give, without training it: for costs and cycles, which depend on no weight.

What training would leave in weights and thresholds is drawn at random. Cycles of a sketch are those of the trained
network. Its costs differ by what the width of the stored thresholds makes, a few percent of a layer.
"""

from dataclasses import replace
from itertools import pairwise
from math import prod, sqrt

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
    zero_padded,
)
from dataflow.folding import default_depths
from quant.recipes import ConvolutionalRecipe, DenseRecipe, Recipe

__all__ = ["can_sketch", "sketch"]

_POOL = (2, 2)

#: Distance of the outer thresholds from the middle, in roots of the synapses: as after trainings, where it is 1 to 7.
SPREAD = 2.5


def can_sketch(recipe: Recipe) -> bool:
    """Return whether there is a sketch for a recipe: a sequence of binary layers, of a method that adds no function."""
    return isinstance(recipe, DenseRecipe) and recipe.weight_bits == recipe.activation_bits == 1


def sketch(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int, *, seed: int = 0) -> Network:
    """Return a network with the nodes that lowering would give, unfolded, with random weights.

    Parameters
    ----------
    recipe : one for which `can_sketch`
    frame_shape : (height, width, channels) of an image
    classes : number of scores
    """
    assert isinstance(recipe, DenseRecipe)
    rng = np.random.default_rng(seed)
    images = isinstance(recipe, ConvolutionalRecipe)
    shape: tuple[int, ...] = frame_shape if images else (prod(frame_shape),)
    pixels = Integer(8, signed=recipe.input_bits == 8)
    nodes: list[Node] = []
    element: Element = pixels
    if recipe.input_bits == 1:
        nodes.append(Threshold("binarize", pixels, shape, np.array([128])))
        element = BIPOLAR
    here = shape
    if isinstance(recipe, ConvolutionalRecipe):
        here = _append_convolutions(nodes, recipe, shape, element, rng)
        element = BIPOLAR
    synapses = prod(here)
    for index, neurons in enumerate((*recipe.hidden, classes)):
        layer = MatrixVector(f"fc{index}", _signs(rng, neurons, synapses), operand=element)
        nodes.append(layer if index == len(recipe.hidden) else _levelled(layer, rng))
        synapses, element = neurons, BIPOLAR
    ones, zeros = np.ones(classes, np.int64), np.zeros(classes, np.int64)
    scores = nodes[-1]
    sums = scores.output_streams[0].element
    assert isinstance(sums, Integer)
    nodes.append(ArgMax("arg_max", sums, ones, zeros))
    chain = ["input", *(node.name for node in nodes), "class"]
    network = verify(
        Network(
            recipe.name,
            tuple(nodes),
            tuple(Fifo(source, target) for source, target in pairwise(chain)),
            (Terminal("input", Stream(pixels, shape)),),
            (Terminal("class", Stream(unsigned_for(classes - 1), (1,))),),
            shape,
            Scores(scores.name, ones.astype(np.float64), zeros.astype(np.float64)),
        )
    )
    return network.with_depths(default_depths(network))


def _append_convolutions(
    nodes: list[Node],
    recipe: ConvolutionalRecipe,
    here: tuple[int, ...],
    element: Element,
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """Append convolutions and pools, and return the shape of what the last one gives."""
    layers, pools, pad = 0, 0, recipe.padding_size
    for entry in recipe.convolutions:
        if isinstance(entry, str):
            nodes.append(MaxPool(f"pool{pools}", element, here, _POOL, _POOL))
            pools += 1
        else:
            kernel = (recipe.kernel, recipe.kernel)
            window = SlidingWindow(f"conv{layers}_window", element, here, kernel, padding=(pad,) * 4)
            signs = _signs(rng, entry, window.taps * window.group_channels)
            matrix = MatrixVector(f"conv{layers}", signs, positions=window.positions, operand=element)
            nodes += [window, _levelled(matrix, rng, window if pad else None)]
            element = BIPOLAR
            layers += 1
        here = nodes[-1].output_streams[0].shape
    return here


def _signs(rng: np.random.Generator, neurons: int, synapses: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))


def _levelled(matrix: MatrixVector, rng: np.random.Generator, window: SlidingWindow | None = None) -> MatrixVector:
    """Return the matrix with thresholds around the middle; after a padded window, of sums with zeros outside."""
    if window is not None:
        spread = round(2 * SPREAD * sqrt(matrix.synapses))
        return zero_padded(window, matrix, rng.integers(-spread, spread + 1, matrix.neurons))
    low, high = matrix.counted
    spread = round(SPREAD * (high - low) / sqrt(matrix.synapses))
    levels = (low + high + 1) // 2 + rng.integers(-spread, spread + 1, matrix.neurons)
    return replace(matrix, thresholds=np.clip(levels, low, high + 1))
