"""Predictions and scores of a network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflow import ArgMax, InputError, Network
from hwsim import packed, reference
from hwsim.frames import frames_for

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says about frames.

    Parameters
    ----------
    predictions : (frames,) int64, the class; the lowest index at a tie
    scores : (frames, classes) float64, the model's own outputs: ``scale * score + bias``
    """

    predictions: np.ndarray
    scores: np.ndarray


def predict(network: Network, frames: np.ndarray, *, engine: Literal["packed", "reference"] = "packed") -> Prediction:
    """Return the class and the scores of every frame.

    The class is the one of the network's ArgMax; of a network without one, the first of its highest scores.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` understands
    engine : "packed", or "reference" for the slow one
    """
    if engine not in _ENGINES:
        raise InputError(f"Engine must be one of {', '.join(_ENGINES)}, not {engine!r}")
    arg_maxes = [node for node in network.nodes if isinstance(node, ArgMax)]
    if network.scores is None and not arg_maxes:
        raise InputError(f"Network {network.name!r} must have scores or an ArgMax to predict, not neither")
    if network.scores is not None:
        scores_fifo = network.fifos_out_of(network.scores.node)[0].name
    else:
        scores_fifo = network.fifos_into(arg_maxes[0].name)[0].name
    class_fifos = [network.fifos_out_of(node.name)[0].name for node in arg_maxes[:1]]
    values = _ENGINES[engine](network, frames, [scores_fifo, *class_fifos])
    integers = values[scores_fifo]
    scores = integers.reshape(len(integers), -1).astype(np.float64)
    if network.scores is not None:
        scores = network.scores.scale * scores + network.scores.bias
    best = values[class_fifos[0]].reshape(-1) if class_fifos else scores.argmax(axis=1).astype(np.int64)
    return Prediction(best, scores)


_Engine = Callable[[Network, np.ndarray, Iterable[str]], dict[str, np.ndarray]]


def _reference_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    # Frame by frame, because all streams of each are held at once.
    parts = [reference.evaluate(network, frame[None]) for frame in frames_for(network, frames)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


_ENGINES: dict[str, _Engine] = {"packed": packed.evaluate_only, "reference": _reference_only}
