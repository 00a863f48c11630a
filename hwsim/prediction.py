"""Predictions and scores of a network."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Literal

import numpy as np

from dataflow import Bipolar, Fifo, Head, InputError, Network
from hwsim import packed, reference
from hwsim.frames import frames_for

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """A network's results for frames.

    Parameters
    ----------
    predictions : (frames,) int64, the class; the lowest index at a tie. With scores at several positions,
        (frames, height, width), the class at each. If the network ends in positions, (frames, channels), the position
        of each channel's highest score, ``row * width + column``. If it ends in bits, (frames, *shape of the output), 0
        or 1
    scores : (frames, classes) or (frames, height, width, channels) float64, the model's own outputs, channels last:
        ``scale * score + bias``; None if the network ends in bits and has none
    totals : int64 of the same shape, the integers that become the scores, as boards send them; None like `scores`
    heads : of a network with several heads, the prediction of each by name; the others are those of the first
    """

    predictions: np.ndarray
    scores: np.ndarray | None
    totals: np.ndarray | None = None
    heads: "Mapping[str, Prediction]" = field(default_factory=dict)


def predict(network: Network, frames: np.ndarray, *, engine: Literal["packed", "reference"] = "packed") -> Prediction:
    """Return the network's prediction for every frame, and its scores.

    The prediction is the class of the network's ArgMax, or the positions of its SpatialArgMax. Without those it is the
    bits in which the network ends, and without bits the index of the highest score, at each position.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` accepts
    engine : "packed", or "reference" for the slow one
    """
    if engine not in _ENGINES:
        raise InputError(f"Engine must be one of {', '.join(_ENGINES)}, not {engine!r}")
    fifos = {head.name: (_answer_of(network, head), _scores_of(network, head)) for head in network.every_head}
    for name, found in fifos.items():
        if found == (None, None):
            whose = f"Head {name!r} of network {network.name!r}" if name else f"Network {network.name!r}"
            raise InputError(f"{whose} must have scores, an ArgMax or bits to predict, not none of them")
    wanted = {fifo.name for found in fifos.values() for fifo in found if fifo is not None}
    values = _ENGINES[engine](network, frames, sorted(wanted))
    made = {head.name: _prediction_of(network, head, *fifos[head.name], values) for head in network.every_head}
    first = made[network.every_head[0].name]
    return replace(first, heads=made) if network.heads else first


def _prediction_of(
    network: Network, head: Head, answer: Fifo | None, scores_fifo: Fifo | None, values: Mapping[str, np.ndarray]
) -> Prediction:
    scores = totals = None
    if scores_fifo is not None:
        integers, shape = values[scores_fifo.name], network.stream(scores_fifo).shape
        totals = integers.reshape(len(integers), *_without_single_position(shape)).astype(np.int64)
        scores = totals.astype(np.float64)
        if head.scores is not None:
            scores = head.scores.scale * scores + head.scores.bias
    if answer is None:
        assert scores is not None
        return Prediction(scores.argmax(axis=-1).astype(np.int64), scores, totals)
    found, source = values[answer.name], network.node_of_name.get(answer.source)
    shape = network.terminal_of_name[answer.target].stream.shape
    if source is not None and source.answers == "class":
        shape = shape[:-1]  # the one class of a position
    return Prediction(found.reshape(len(found), *shape), scores, totals)


def _without_single_position(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of scores for people: those of one position are a vector."""
    return shape if prod(shape[:-1]) > 1 else shape[-1:]


def _answer_of(network: Network, head: Head) -> Fifo | None:
    """Return the FIFO that carries the class, the positions, or the bits of a head; None if there are none."""
    ends = [network.fifos_into(name)[0] for name in head.outputs]
    chosen = [fifo for fifo in ends if _answers(network, fifo.source)]
    bits = [fifo for fifo in ends if isinstance(network.stream(fifo).element, Bipolar)]
    return next(iter([*chosen, *bits]), None)


def _scores_of(network: Network, head: Head) -> Fifo | None:
    """Return the FIFO that carries the scores of a head; None if there are none."""
    if head.scores is not None:
        return network.fifos_out_of(head.scores.node)[0]
    sources = [network.fifos_into(name)[0].source for name in head.outputs]
    return next((network.fifos_into(name)[0] for name in sources if _answers(network, name)), None)


def _answers(network: Network, name: str) -> bool:
    return name in network.node_of_name and bool(network.node(name).answers)


_Engine = Callable[[Network, np.ndarray, Iterable[str]], dict[str, np.ndarray]]


def _reference_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    # Frame by frame, because the reference keeps all streams of its frames in memory.
    parts = [reference.evaluate(network, frame[None]) for frame in frames_for(network, frames)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


_ENGINES: dict[str, _Engine] = {"packed": packed.evaluate_only, "reference": _reference_only}
