"""Random networks with scores at several positions for the table of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dataflow import (
    BIPOLAR,
    ArgMax,
    Fifo,
    MatrixVector,
    Network,
    Node,
    Scores,
    SlidingWindow,
    SpatialArgMax,
    Stream,
    Terminal,
    Threshold,
    expose_scores,
    fold,
    verify,
)
from sim_tests.cases import UINT8, random_weights

__all__ = ["MAP_CASES", "MapCase", "map_network"]


def map_network(
    outputs: str,
    *,
    shape: tuple[int, int, int] = (6, 7, 2),
    channels: int = 4,
    classes: int = 3,
    uneven: bool = False,
    scores: bool = True,
    seed: int = 0,
) -> Network:
    """Return a random network of two convolutions, unfolded, of which the last one has scores at every position.

    Parameters
    ----------
    outputs : "scores", "class" at every position, "positions" of each channel, or "bits" of the last convolution
    shape : (height, width, channels) of an image; there are two rows and columns fewer of positions
    uneven : an affine function of the scores that differs between classes
    scores : whether the scores go out beside the class or the positions
    """
    rng = np.random.default_rng(seed)
    binarize = Threshold("binarize", UINT8, shape, rng.integers(100, 156, shape[-1]))
    window = SlidingWindow("conv0.window", BIPOLAR, shape, (3, 3))
    levels = rng.integers(7, 12, channels)
    synapses = window.taps * shape[-1]
    conv = MatrixVector(
        "conv0", random_weights(rng, (channels, synapses)), np.clip(levels, 0, synapses), positions=window.positions
    )
    head = MatrixVector(
        "head",
        random_weights(rng, (classes, channels)),
        np.full(classes, channels // 2) if outputs == "bits" else None,
        positions=window.positions,
    )
    nodes: list[Node] = [binarize, window, conv, head]
    (stream,) = head.output_streams
    scale = rng.integers(1, 4, classes) if uneven else np.ones(classes, np.int64)
    offset = rng.integers(-3, 4, classes) if uneven else np.zeros(classes, np.int64)
    if outputs == "class":
        nodes.append(ArgMax("arg_max", stream.element, scale, offset, positions=window.positions))
    if outputs == "positions":
        nodes.append(SpatialArgMax("arg_max", stream.element, stream.shape))
    chain = ["input", *(node.name for node in nodes), outputs]
    meaning = Scores("head", scale.astype(np.float64), offset.astype(np.float64))
    network = verify(
        Network(
            f"map-{outputs}",
            tuple(nodes),
            tuple(Fifo(source, target) for source, target in pairwise(chain)),
            (Terminal("input", Stream(UINT8, shape)),),
            (Terminal(outputs, nodes[-1].output_streams[0]),),
            shape,
            None if outputs == "bits" else meaning,
        )
    )
    return expose_scores(network) if scores and outputs != "bits" else network


@dataclass(frozen=True)
class MapCase:
    """A network of the table: how it is built and folded."""

    name: str
    outputs: str
    foldings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    shape: tuple[int, int, int] = (6, 7, 2)
    channels: int = 4
    classes: int = 3
    uneven: bool = False
    scores: bool = False
    depths: Mapping[str, int] = field(default_factory=dict)

    def network(self) -> Network:
        """Return the network, folded."""
        made = map_network(
            self.outputs,
            shape=self.shape,
            channels=self.channels,
            classes=self.classes,
            uneven=self.uneven,
            scores=self.scores,
        )
        return fold(made, self.foldings, depths=self.depths)

    def __str__(self) -> str:
        return self.name


#: Scores, classes, positions and bits at positions; one, all and an uneven number of lanes; a single channel.
MAP_CASES = (
    MapCase("map-scores", "scores", {"head": {"pe": 2, "simd": 3}}),
    MapCase("map-class", "class", {"arg_max": {"pe": 1}}, uneven=True),
    MapCase("map-class-inert", "class", {"head": {"pe": 2}, "arg_max": {"pe": 3}}, classes=5, scores=True),
    MapCase("map-class-parallel", "class", {"head": {"pe": 4, "simd": 4}, "arg_max": {"pe": 4}}, classes=4),
    MapCase("map-positions", "positions", {"arg_max": {"pe": 1}}),
    MapCase("map-positions-parallel", "positions", {"head": {"pe": 3}, "arg_max": {"pe": 3}}, scores=True),
    MapCase(
        "map-positions-inert",
        "positions",
        {"head": {"pe": 3}, "arg_max": {"pe": 3}},
        classes=7,
        depths={"arg_max -> positions": 1},
    ),
    MapCase("map-positions-one-channel", "positions", classes=1),
    MapCase("map-positions-one-position", "positions", {"arg_max": {"pe": 2}}, shape=(3, 3, 2)),
    MapCase("map-bits", "bits", {"head": {"pe": 2}}),
)
