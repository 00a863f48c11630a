"""What quantization changed in each output of a model."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflow import Bipolar, Head, Network
from xnorflow.simulation import accuracy_of

if TYPE_CHECKING:
    from hwsim import Prediction

__all__ = ["OutputChange", "answers_of", "change_of", "made_of"]


@dataclass(frozen=True)
class OutputChange:
    """What quantization changed in an output of a model.

    Parameters
    ----------
    name : of the output
    kind : what the network makes of it: "class", "positions", "bits" or "scores"
    changed : frames with another prediction; None if the output is not known to be one
    accuracy_before, accuracy_after : shares of the frames that are answered as the labels say; None without labels of
        this output
    so_far : how far its numbers are from those of the float model, in dB; None of bits, and of what an ArgMax gives
    """

    name: str
    kind: str
    changed: int | None
    accuracy_before: float | None
    accuracy_after: float | None
    so_far: float | None

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return asdict(self) | {"so_far": None if self.so_far is None else min(self.so_far, 999.0)}


def made_of(network: Network, head: Head) -> str:
    """Return what a network makes of an output: "class", "positions", "bits" or "scores"."""
    for name in head.outputs:
        (fifo,) = network.fifos_into(name)
        source = network.node_of_name.get(fifo.source)
        if source is not None and source.answers:
            return source.answers
        if isinstance(network.stream(fifo).element, Bipolar):
            return "bits"
    return "scores"


def change_of(
    name: str,
    kind: str,
    before: np.ndarray,
    after: np.ndarray,
    found: "Prediction",
    *,
    middle: float | None,
    so_far: float,
    alone: bool,
    labels: np.ndarray | None,
) -> OutputChange:
    """Return what quantization changed in an output.

    Parameters
    ----------
    before, after : (frames, numbers), the output of the float and of the quantized model
    found : what the network gives for it
    middle : the number from which on the output is a bit of 1; None if it is a quantizer's
    so_far : how far the output is from that of the float model, in dB
    alone : whether scores are taken to be those of classes: they may be a box
    labels : of the frames, or None
    """
    if kind == "scores" and (not alone or found.scores is None or found.scores.shape[-1] == 1):
        return OutputChange(name, kind, None, None, None, so_far)
    answers = answers_of(before, after, found, kind=kind, middle=middle)
    numbers = kind != "bits" and not _has_chosen(before, found)
    return OutputChange(
        name,
        kind,
        int((answers != found.predictions).reshape(len(answers), -1).any(1).sum()),
        accuracy_of(answers, labels),
        accuracy_of(found.predictions, labels),
        so_far if numbers else None,
    )


def answers_of(
    before: np.ndarray, after: np.ndarray, found: "Prediction", *, kind: str, middle: float | None = 0.0
) -> np.ndarray:
    """Return what a float model's output answers, as the predictions of the network made of it are.

    Of several positions the file may have the channels first or last. It has them as the quantized model's output gives
    the network's predictions.

    Parameters
    ----------
    before, after, found, kind, middle : as of `change_of`
    """
    if _has_chosen(before, found):
        return before.astype(np.int64).reshape(found.predictions.shape)
    shape = found.predictions.shape if kind == "bits" or found.scores is None else found.scores.shape
    answers = []
    for channels_first in (True, False) if len(shape) == 4 else (False,):
        one, two = (_as_network(numbers, shape, channels_first=channels_first) for numbers in (before, after))
        if kind == "bits" and middle is None:
            alike = [(two == end) == found.predictions for end in (two.min(), two.max())]
            answers.append((np.where(one == two, found.predictions, 1 - found.predictions), max(map(np.mean, alike))))
        else:
            alike = [_chosen(two, found, kind, middle) == found.predictions]
            answers.append((_chosen(one, found, kind, middle), np.mean(alike)))
    best, _ = max(answers, key=lambda each: each[1])
    return best.astype(np.int64)


def _has_chosen(numbers: np.ndarray, found: "Prediction") -> bool:
    """Return whether a model's output is that of an ArgMax of its own."""
    return found.scores is not None and found.predictions.size == numbers.size != found.scores.size


def _as_network(numbers: np.ndarray, shape: tuple[int, ...], *, channels_first: bool) -> np.ndarray:
    """Return numbers of a file in the order of the network's, channels last."""
    if not channels_first:
        return numbers.reshape(shape)
    frames, height, width, channels = shape
    return np.moveaxis(numbers.reshape(frames, channels, height, width), 1, -1)


def _chosen(numbers: np.ndarray, found: "Prediction", kind: str, middle: float | None) -> np.ndarray:
    """Return the bits, classes or positions of numbers with channels last."""
    if kind == "bits":
        assert middle is not None
        return numbers >= middle
    if kind == "positions":
        return np.asarray(numbers.reshape(len(numbers), -1, numbers.shape[-1]).argmax(1))
    return np.asarray(numbers.argmax(-1)).reshape(found.predictions.shape)
