"""Predictions and scores of a network, in batches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflow import ArgMax, Bipolar, InputError, Network, Stream
from hwsim import packed, reference
from hwsim._bits import word_width
from hwsim.frames import frames_for

__all__ = ["Prediction", "predict"]

#: Frames evaluated at a time, at most.
batch_frames = 1024

#: Bytes of the largest stream of the frames evaluated at a time, which bounds the memory.
batch_bytes = 1 << 26


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
    parts = [_predict_batch(network, batch, _ENGINES[engine]) for batch in _batches(network, np.asarray(frames))]
    return Prediction(
        np.concatenate([part.predictions for part in parts]), np.concatenate([part.scores for part in parts])
    )


def _batches(network: Network, array: np.ndarray) -> list[np.ndarray]:
    """Return an array in parts of `batch_frames` or fewer, whole if there is nothing to cut."""
    if array.ndim == 0 or len(array) == 0:
        return [array]
    largest = max(_packed_bytes(network.stream(fifo)) for fifo in network.fifos)
    count = max(1, min(batch_frames, batch_bytes // largest))
    return [array[start : start + count] for start in range(0, len(array), count)]


def _packed_bytes(stream: Stream) -> int:
    """Return the bytes of a frame where bits are packed along the channels and integers take 8 bytes."""
    positions, channels = stream.size // stream.shape[-1], stream.shape[-1]
    return 8 * positions * (-(-channels // word_width) if isinstance(stream.element, Bipolar) else channels)


_Engine = Callable[[Network, np.ndarray, Iterable[str]], dict[str, np.ndarray]]


def _reference_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    values = reference.evaluate(network, frames)
    return {name: values[name] for name in names}


_ENGINES: dict[str, _Engine] = {"packed": packed.evaluate_only, "reference": _reference_only}


def _predict_batch(network: Network, frames: np.ndarray, engine: _Engine) -> Prediction:
    frames = frames_for(network, frames)
    arg_maxes = [node for node in network.nodes if isinstance(node, ArgMax)]
    if network.scores is None and not arg_maxes:
        raise InputError(f"Network {network.name!r} must have scores or an ArgMax to predict, not neither")
    if network.scores is not None:
        scores_fifo = network.fifos_out_of(network.scores.node)[0].name
    else:
        scores_fifo = network.fifos_into(arg_maxes[0].name)[0].name
    class_fifos = [network.fifos_out_of(node.name)[0].name for node in arg_maxes[:1]]
    values = engine(network, frames, [scores_fifo, *class_fifos])
    scores = values[scores_fifo].reshape(len(frames), -1).astype(np.float64)
    if network.scores is not None:
        scores = network.scores.scale * scores + network.scores.bias
    best = values[class_fifos[0]].reshape(-1) if class_fifos else scores.argmax(axis=1).astype(np.int64)
    return Prediction(best, scores)
