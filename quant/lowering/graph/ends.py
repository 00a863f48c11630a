"""The outputs of the model, and what the network makes of each."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError

__all__ = ["CHANNELS", "KINDS", "POSITIONS", "Along", "End", "Meaning", "kinds_of"]

#: What a network may make of an output, see `quant.lowering.lower`.
KINDS = ("auto", "class", "positions", "scores", "both", "bits")

#: What an ArgMax at the end chooses among.
CHANNELS, POSITIONS = "channels", "positions"


@dataclass(frozen=True)
class Along:
    """What an operator at the end takes together: all numbers along some axes of a tensor.

    Parameters
    ----------
    node, kind : the operator
    tensor : what it reads
    axes : neighbouring axes
    """

    node: str
    kind: str
    tensor: str
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Meaning:
    """What integer scores mean, for people: ``logits = scale * score + bias``.

    Parameters
    ----------
    tensor : that carries the scores
    scale, bias : (channels,) float64
    """

    tensor: str
    scale: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class End:
    """An output of the model.

    Parameters
    ----------
    name : of the output in the file
    tensor : that carries it, or what the network makes of it
    kind : what the network makes of it, see `lower`
    along : what operators that are left out after the scores take together, until `flatten_order` knows what that is
    image : (height, width, channels) if it has several positions, once that is known; else ()
    chosen : what an ArgMax at the end of the model chooses among, `CHANNELS` or `POSITIONS`; "" without one
    scores : meaning of the integer scores, once that is known; None if it has none
    """

    name: str
    tensor: str
    kind: str = "auto"
    along: tuple[Along, ...] = ()
    image: tuple[int, ...] = ()
    chosen: str = ""
    scores: Meaning | None = None

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors of the graph that it needs."""
        scores = () if self.scores is None else (self.scores.tensor,)
        return (self.tensor, *scores, *(each.tensor for each in self.along))


def kinds_of(outputs: str) -> dict[str, str]:
    """Return the kinds that a text asks for, by name of the output; that of all by "".

    Parameters
    ----------
    outputs : a kind, or ``NAME=KIND,NAME=KIND``

    Raises
    ------
    InputError
        There is no such kind.
    """
    kinds = {}
    for part in outputs.split(",") if "=" in outputs else [outputs]:
        name, _, kind = part.rpartition("=")
        if kind not in KINDS:
            raise InputError(f"Outputs must be one of {', '.join(KINDS)}, not {kind!r}")
        kinds[name.strip()] = kind
    return kinds
