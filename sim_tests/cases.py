"""The table of networks with which every level is tested.

Reference, packed reference, cycle simulator, Amaranth simulator, Icarus and Verilator all run these networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from dataflow import (
    BIPOLAR,
    ArgMax,
    Element,
    Fifo,
    Fork,
    Integer,
    MatrixVector,
    Network,
    Scores,
    Stream,
    Terminal,
    Threshold,
    fold,
    unsigned_for,
    verify,
)
from dataflow.nodes import Node
from sim_tests.random_codes import random_codes

__all__ = [
    "CASES",
    "INT2",
    "INT4",
    "INT8",
    "UINT8",
    "Case",
    "dense_case",
    "dense_network",
    "random_frames",
    "random_weights",
]


UINT8 = Integer(8)
INT2, INT4, INT8 = (Integer(width, signed=True) for width in (2, 4, 8))


def dense_network(
    sizes: tuple[int, ...],
    *,
    seed: int = 0,
    outputs: str = "class",
    uneven: bool = False,
    element: Integer = UINT8,
    weights: tuple[Element, ...] = (BIPOLAR,),
    codes: tuple[str, ...] = (),
    alike: bool = False,
) -> Network:
    """Return a random dense network, unfolded: pixels, threshold, matrices, and scores, class or bits.

    Parameters
    ----------
    sizes : numbers of pixels, hidden neurons ..., classes
    outputs : "class", "scores" or "both"; "bits" of the last matrix, or "signs" of its sums in addition to the scores
    uneven : input thresholds per pixel, and an affine function of the scores that differs between classes
    element : type of the pixels
    weights : types of the weights of the layers, used cyclically
    codes : forms of a `Requantize` instead of the thresholds of each hidden layer, used cyclically; () for bits
    alike : whether neurons have the weights of the first one, the negated ones of the second, or but one of the third
    """
    rng = np.random.default_rng(seed)
    pixels, *hidden, classes = sizes
    name = "dense-" + "-".join(map(str, sizes))
    low, high = element.minimum, element.maximum + 2
    thresholds = rng.integers(low, high, pixels) if uneven else np.array([(low + high) // 2])
    nodes: list[Node] = [Threshold("binarize", element, (pixels,), thresholds)]
    synapses = pixels
    for index, neurons in enumerate([*hidden, classes]):
        weight_element = weights[index % len(weights)]
        matrix = random_weights(rng, (neurons, synapses), weight_element)
        if alike:
            first, second, third = (matrix[min(place, neurons - 1)].copy() for place in range(3))
            matrix[3::3], matrix[4::3], matrix[5::3] = first, -second, third
            matrix[5::3, ::synapses] *= -1
        operand = nodes[-1].output_streams[0].element
        layer = MatrixVector(f"fc{index}", matrix, operand=operand, weight_element=weight_element)
        last, (low, high) = index == len(hidden), layer.counted
        # Around the middle, so that ties occur; the first two are always and never met.
        levels = np.clip(rng.integers(-2, 3, neurons) + (low + high) // 2, low, high + 1)
        levels[: min(2, neurons)] = (low, high + 1)[: min(2, neurons)]
        if last and outputs == "bits":
            levels = np.full(neurons, (low + high + 1) // 2)  # always or never met would test nothing
        has_sums = outputs != "bits" if last else bool(codes)
        nodes.append(layer if has_sums else replace(layer, thresholds=levels))
        if codes and not last:
            nodes.append(random_codes(f"codes{index}", nodes[-1].output_streams[0], codes[index % len(codes)], rng))
        synapses = neurons
    score_node = nodes[-1]
    sums = score_node.output_streams[0].element
    scale = rng.integers(1, 4, classes) if uneven else np.ones(classes, np.int64)
    offset = rng.integers(-3, 4, classes) if uneven else np.zeros(classes, np.int64)
    scores_end = Terminal("scores", Stream(sums, (classes,)))
    class_end = Terminal("class", Stream(unsigned_for(classes - 1), (1,)))
    bits_end = Terminal("bits", Stream(BIPOLAR, (classes,)))
    chain = ["input", *(node.name for node in nodes)]
    fifos = [Fifo(source, target) for source, target in pairwise(chain)]
    ends: tuple[Terminal, ...] = (scores_end,)
    tail = chain[-1]
    if outputs in ("both", "signs"):
        nodes.append(Fork("scores_fork", sums, (classes,)))
        fifos += [Fifo(tail, "scores_fork"), Fifo("scores_fork", "scores")]
    if outputs == "bits":
        ends = (bits_end,)
        fifos.append(Fifo(tail, "bits"))
    elif outputs == "signs":
        nodes.append(Threshold("sign", sums, (classes,), np.array([0])))
        ends = (scores_end, bits_end)
        fifos += [Fifo("scores_fork", "sign", source_port=1), Fifo("sign", "bits")]
    elif outputs != "scores":
        nodes.append(ArgMax("arg_max", sums, scale, offset))
        ends = (scores_end, class_end) if outputs == "both" else (class_end,)
        fifos.append(Fifo("scores_fork", "arg_max", source_port=1) if outputs == "both" else Fifo(tail, "arg_max"))
        fifos.append(Fifo("arg_max", "class"))
    else:
        fifos.append(Fifo(tail, "scores"))
    return verify(
        Network(
            name,
            tuple(nodes),
            tuple(fifos),
            (Terminal("input", Stream(element, (pixels,))),),
            ends,
            (pixels,),
            None if outputs == "bits" else Scores(score_node.name, scale.astype(np.float64), offset.astype(np.float64)),
        )
    )


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], element: Element = BIPOLAR) -> np.ndarray:
    """Return random weights of a type, int8."""
    if element == BIPOLAR:
        return rng.choice(np.array([-1, 1], np.int8), shape)
    return rng.integers(element.minimum, element.maximum + 1, shape, np.int8)


def random_frames(network: Network, frames: int, *, seed: int = 0) -> np.ndarray:
    """Return random frames for a network's first input, (frames, *shape) int64; the first two are extremes."""
    stream = network.inputs[0].stream
    rng = np.random.default_rng(seed)
    values = rng.integers(stream.element.minimum, stream.element.maximum + 1, (frames, *stream.shape))
    values[:1] = stream.element.minimum
    values[1:2] = stream.element.maximum
    return values


@dataclass(frozen=True)
class Case:
    """A network of the table: how it is built and folded."""

    name: str
    sizes: tuple[int, ...]
    foldings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    depths: Mapping[str, int] = field(default_factory=dict)
    outputs: str = "class"
    uneven: bool = False
    weights: tuple[Element, ...] = (BIPOLAR,)
    alike: bool = False

    def network(self) -> Network:
        """Return the network, folded."""
        unfolded = dense_network(
            self.sizes, outputs=self.outputs, uneven=self.uneven, weights=self.weights, alike=self.alike
        )
        return fold(unfolded, self.foldings, depths=self.depths)

    def __str__(self) -> str:
        return self.name


def _at_once(pixels: int, *layers: int) -> dict[str, dict[str, int]]:
    """Return the folding of a dense network that begins a frame in every cycle."""
    synapses = (pixels, *layers)
    folded = {f"fc{index}": {"pe": pe, "simd": synapses[index]} for index, pe in enumerate(layers)}
    return {"binarize": {"pe": pixels}, **folded}


#: Sizes of 1, no powers of two, uneven ratios, full parallelism, FIFOs too small for full rate, inert lanes.
CASES = (
    Case("one-by-one", (12, 6, 4)),
    Case("smallest", (1, 1, 1)),
    Case("one-class", (5, 3, 1), outputs="both"),
    Case("scores", (12, 6, 4), {"fc0": {"pe": 2, "simd": 3}}, outputs="scores"),
    Case("both", (12, 6, 4), {"fc0": {"pe": 3, "simd": 4}, "fc1": {"pe": 2}}, outputs="both"),
    Case(
        "parallel",
        (15, 6, 4),
        {
            "binarize": {"pe": 15},
            "fc0": {"pe": 6, "simd": 15},
            "fc1": {"pe": 4, "simd": 6},
            "arg_max": {"pe": 4},
        },
    ),
    Case("shared-sums", (53, 21, 9, 5), _at_once(53, 21, 9, 5), outputs="both", uneven=True),
    Case("shared-sums-alike", (19, 13, 8), _at_once(19, 13, 8), outputs="bits", alike=True),
    Case("shared-sums-single", (7, 1, 2, 1), _at_once(7, 1, 2, 1), outputs="both"),
    Case(
        "ragged",
        (60, 12, 10),
        {
            "binarize": {"pe": 4},
            "fc0": {"pe": 4, "simd": 6},
            "fc1": {"pe": 5, "simd": 6},
            "arg_max": {"pe": 2},
        },
        uneven=True,
    ),
    Case(
        "wide",
        (140, 10, 3),
        {"binarize": {"pe": 28}, "fc0": {"pe": 2, "simd": 70}, "fc1": {"pe": 3, "simd": 2}, "arg_max": {"pe": 3}},
        uneven=True,
    ),
    Case(
        "shallow",
        (24, 8, 6, 4),
        {"binarize": {"pe": 6}, "fc0": {"pe": 4, "simd": 4}, "fc1": {"pe": 3, "simd": 8}, "fc2": {"pe": 2, "simd": 2}},
        {"fc0 -> fc1.width": 1, "input -> binarize": 1, "fc2 -> arg_max.width": 2, "arg_max -> class": 1},
    ),
    Case(
        "inert",
        (23, 11, 10),
        {
            "binarize": {"pe": 4},
            "fc0": {"pe": 3, "simd": 5},
            "fc1": {"pe": 4, "simd": 7},
            "arg_max": {"pe": 3},
        },
        uneven=True,
    ),
    Case(
        "inert-neighbours",
        (13, 7, 5),
        {
            "binarize": {"pe": 6},
            "fc0": {"pe": 4, "simd": 6},
            "fc1": {"pe": 3, "simd": 4},
            "arg_max": {"pe": 3},
            "scores_fork": {"pe": 3},
        },
        outputs="both",
    ),
    Case("bit", (9, 5, 1), {"fc1": {"simd": 2}}, outputs="bits"),
    Case("bits", (14, 6, 5), {"fc0": {"pe": 2, "simd": 7}, "fc1": {"pe": 3, "simd": 4}}, outputs="bits"),
    Case("signs", (12, 6, 5), {"fc1": {"pe": 2}, "sign": {"pe": 3}}, outputs="signs", uneven=True),
    Case(
        "inert-wide",
        (97, 21, 6, 3),
        {
            "binarize": {"pe": 9},
            "fc0": {"pe": 8, "simd": 50},
            "fc1": {"pe": 4, "simd": 10},
            "fc2": {"pe": 2, "simd": 5},
            "arg_max": {"pe": 2},
        },
        {"fc0 -> fc1.width": 1, "fc2 -> arg_max": 1},
    ),
    Case(
        "integer-weights",
        (20, 9, 7, 5),
        {"fc0": {"pe": 4, "simd": 6}, "fc1": {"pe": 7, "simd": 9}, "fc2": {"pe": 2, "simd": 3}, "arg_max": {"pe": 2}},
        outputs="both",
        weights=(INT4, INT2, INT8),
    ),
    Case("integer-weights-bits", (14, 6, 5), {"fc1": {"pe": 3, "simd": 4}}, outputs="bits", weights=(BIPOLAR, INT2)),
)


def dense_case(name: str) -> Network:
    """Return the network of the case with this name."""
    (case,) = (case for case in CASES if case.name == name)
    return case.network()
