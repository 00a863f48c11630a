"""Predictions and scores of a network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflow import Fifo, InputError, Network
from hwsim import packed, reference
from hwsim.frames import frames_for

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """A network's results for frames.

    Parameters
    ----------
    predictions : (frames,) int64, the class; the lowest index at a tie. If the network ends in bits,
        (frames, *shape of the output) int64, 0 or 1
    scores : (frames, classes) float64, the model's own outputs: ``scale * score + bias``; None if the network ends in
        bits and has none
    totals : (frames, classes) int64, the integers that become the scores, as boards send them; None like `scores`
    """

    predictions: np.ndarray
    scores: np.ndarray | None
    totals: np.ndarray | None = None


def predict(network: Network, frames: np.ndarray, *, engine: Literal["packed", "reference"] = "packed") -> Prediction:
    """Return the network's prediction for every frame, and its scores.

    The prediction is the class of the network's ArgMax. Without an ArgMax it is the bits in which the network ends, and
    without bits the index of the highest score.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` accepts
    engine : "packed", or "reference" for the slow one
    """
    if engine not in _ENGINES:
        raise InputError(f"Engine must be one of {', '.join(_ENGINES)}, not {engine!r}")
    answer, scores_fifo = _answer_of(network), _scores_of(network)
    if answer is None and scores_fifo is None:
        raise InputError(f"Network {network.name!r} must have scores, an ArgMax or bits to predict, not none of them")
    names = [fifo.name for fifo in (scores_fifo, answer) if fifo is not None]
    values = _ENGINES[engine](network, frames, names)
    scores = totals = None
    if scores_fifo is not None:
        integers = values[scores_fifo.name]
        totals = integers.reshape(len(integers), -1).astype(np.int64)
        scores = totals.astype(np.float64)
        if network.scores is not None:
            scores = network.scores.scale * scores + network.scores.bias
    if answer is None:
        assert scores is not None
        return Prediction(scores.argmax(axis=1).astype(np.int64), scores, totals)
    found = values[answer.name]
    if network.bits is not None and answer.target == network.bits.name:
        return Prediction(found.reshape(len(found), *network.bits.stream.shape), scores, totals)
    return Prediction(found.reshape(-1), scores, totals)


def _answer_of(network: Network) -> Fifo | None:
    """Return the FIFO that carries the class, or the bits; None if there are neither."""
    for node in network.nodes:
        if node.picks_class:
            return network.fifos_out_of(node.name)[0]
    return None if network.bits is None else network.fifos_into(network.bits.name)[0]


def _scores_of(network: Network) -> Fifo | None:
    """Return the FIFO that carries the scores; None if there are none."""
    if network.scores is not None:
        return network.fifos_out_of(network.scores.node)[0]
    return next((network.fifos_into(node.name)[0] for node in network.nodes if node.picks_class), None)


_Engine = Callable[[Network, np.ndarray, Iterable[str]], dict[str, np.ndarray]]


def _reference_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    # Frame by frame, because the reference keeps all streams of its frames in memory.
    parts = [reference.evaluate(network, frame[None]) for frame in frames_for(network, frames)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


_ENGINES: dict[str, _Engine] = {"packed": packed.evaluate_only, "reference": _reference_only}
