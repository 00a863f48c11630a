"""Random networks with several heads for the table of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from dataflow import (
    BIPOLAR,
    ArgMax,
    Fifo,
    Fork,
    Head,
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

__all__ = ["HEAD_CASES", "HeadCase", "heads_network"]


def heads_network(
    heads: tuple[str, ...],
    *,
    shape: tuple[int, int, int] = (5, 6, 2),
    channels: int = 4,
    classes: int = 3,
    exposed: tuple[int, ...] = (),
    seed: int = 0,
) -> Network:
    """Return a random network, unfolded: a convolution, and heads that read its bits side by side.

    Parameters
    ----------
    heads : what each head emits: "scores", "class" or "bits" of a dense layer, "map" for scores or "peaks" for the
        positions of the highest ones of a convolution of one pixel, "features" for the trunk's bits themselves
    shape : (height, width, channels) of an image
    exposed : numbers of the heads whose scores go out as well
    """
    rng = np.random.default_rng(seed)
    binarize = Threshold("binarize", UINT8, shape, rng.integers(100, 156, shape[-1]))
    window = SlidingWindow("conv.window", BIPOLAR, shape, (3, 3))
    synapses = window.taps * shape[-1]
    conv = MatrixVector(
        "conv", random_weights(rng, (channels, synapses)), rng.integers(7, 12, channels), positions=window.positions
    )
    (trunk,) = conv.output_streams
    nodes: list[Node] = [binarize, window, conv, Fork("fork", BIPOLAR, trunk.shape, len(heads))]
    fifos = [Fifo("input", "binarize"), *(Fifo(a.name, b.name) for a, b in pairwise(nodes))]
    outputs, made = [], []
    for index, kind in enumerate(heads):
        name, source, port = f"head{index}", "fork", index
        scores = None
        stream = trunk
        if kind != "features":
            maps = kind in {"map", "peaks"}
            size = channels if maps else trunk.size
            layer = MatrixVector(name, random_weights(rng, (classes, size)), positions=window.positions if maps else ())
            if kind == "bits":
                layer = replace(layer, thresholds=np.full(classes, size // 2))
            else:
                scores = Scores(name, rng.integers(1, 4, classes).astype(np.float64), np.zeros(classes))
            chain: list[Node] = [layer]
            (stream,) = layer.output_streams
            if kind == "class":
                ones, zeros = np.ones(classes, np.int64), np.zeros(classes, np.int64)
                chain.append(ArgMax(f"{name}_arg_max", stream.element, ones, zeros))
            elif kind == "peaks":
                chain.append(SpatialArgMax(f"{name}_arg_max", stream.element, stream.shape))
            for node in chain:
                fifos.append(Fifo(source, node.name, port))
                source, port = node.name, 0
            nodes += chain
            (stream,) = chain[-1].output_streams
        answer = {"map": "scores", "peaks": "positions", "features": "bits"}.get(kind, kind)
        end = f"{name}_{answer}_out" if kind == "features" else f"out{index}_{answer}"
        outputs.append(Terminal(end, Stream(stream.element, stream.shape)))
        fifos.append(Fifo(source, end, port))
        made.append(Head(f"out{index}", (end,), scores))
    network = Network(
        "heads-" + "-".join(heads),
        tuple(nodes),
        tuple(fifos),
        (Terminal("input", Stream(UINT8, shape)),),
        tuple(outputs),
        shape,
        heads=tuple(made),
    )
    return expose_scores(verify(network), heads=[f"out{index}" for index in exposed])


@dataclass(frozen=True)
class HeadCase:
    """A network of the table: how it is built and folded."""

    name: str
    heads: tuple[str, ...]
    foldings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exposed: tuple[int, ...] = ()
    depths: Mapping[str, int] = field(default_factory=dict)

    def network(self) -> Network:
        """Return the network, folded."""
        return fold(heads_network(self.heads, exposed=self.exposed), self.foldings, depths=self.depths)

    def __str__(self) -> str:
        return self.name


#: Heads of one kind and of several, with few places, with lanes that differ, with the trunk's bits beside them.
HEAD_CASES = (
    HeadCase("heads-scores", ("scores", "scores"), {"head0": {"pe": 3}}),
    HeadCase(
        "heads-class",
        ("class", "class"),
        {"head0": {"simd": 4}, "out0_scores_fork": {"pe": 3}, "head1_arg_max": {"pe": 2}},
        exposed=(0,),
    ),
    HeadCase("heads-mixed", ("map", "class", "bits"), {"head0": {"pe": 2, "simd": 4}}, exposed=(1,)),
    HeadCase(
        "heads-few-places",
        ("peaks", "features"),
        {"head0_arg_max": {"pe": 2}, "fork": {"pe": 3}},
        exposed=(0,),
        depths={"fork.1 -> head1_bits_out": 1, "head0_arg_max -> out0_positions": 1},
    ),
)
