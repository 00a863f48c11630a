"""How well a network does on the test images of its data set. The .xnf file remembers it.

Every step from the trained model to the hardware is exact, so this is also the accuracy of the hardware.
"""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from dataflow import InputError, Network

__all__ = ["Accuracy", "accuracy_of", "recorded_accuracy", "with_accuracy"]

#: Key of the metadata of a network.
_KEY = "accuracy"


@dataclass(frozen=True)
class Accuracy:
    """Share of test images that a network classifies correctly.

    Parameters
    ----------
    share : from 0 to 1
    frames : the test images
    dataset : name of the data set
    """

    share: float
    frames: int
    dataset: str

    def __post_init__(self) -> None:
        if not (isinstance(self.share, int | float) and isfinite(self.share) and 0 <= self.share <= 1):
            raise InputError(f"Accuracy must be from 0 to 1, not {self.share!r}")
        if not isinstance(self.frames, int) or isinstance(self.frames, bool) or self.frames < 1:
            raise InputError(f"Test images of an accuracy must be a positive number, not {self.frames!r}")
        if not isinstance(self.dataset, str):
            raise InputError(f"Data set of an accuracy must be a name, not {self.dataset!r}")

    @property
    def percent(self) -> str:
        """The share in percent, with as many digits as the number of images gives."""
        digits = max(0, len(str(self.frames)) - 3)
        return f"{100 * self.share:.{min(digits, 2)}f} %"

    def __str__(self) -> str:
        return f"accuracy {self.percent} of {self.frames:,} test images of {self.dataset}"

    def to_json(self) -> dict[str, Any]:
        """Return the accuracy as values of JSON."""
        return asdict(self)


def with_accuracy(network: Network, accuracy: Accuracy) -> Network:
    """Return the network, which remembers its accuracy."""
    return replace(
        network, metadata={**network.metadata, _KEY: json.dumps(accuracy.to_json(), sort_keys=True, ensure_ascii=False)}
    )


def accuracy_of(network: Network) -> Accuracy | None:
    """Return the accuracy that a network remembers, or None.

    Raises
    ------
    InputError
        It is none: the file was changed by other means.
    """
    text = network.metadata.get(_KEY)
    if text is None:
        return None
    try:
        return Accuracy(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"Accuracy of network {network.name!r} must be share, frames and dataset, not {text!r}"
        ) from error


def recorded_accuracy(model: Path) -> Accuracy | None:
    """Return what the card or the metrics beside a trained model say of it, or None.

    Both name the model by its checksum, and say nothing of another one.
    """
    for name, read in (("card.toml", tomllib.loads), ("metrics.json", json.loads)):
        path = model.parent / name
        if not path.is_file():
            continue
        try:
            found = read(path.read_text("utf-8"))
            if hashlib.sha256(model.read_bytes()).hexdigest() != found["sha256"]:
                return None
            if name == "card.toml":
                return Accuracy(
                    found["accuracy"]["lowered"], found["accuracy"]["test_frames"], found["recipe"]["dataset"]
                )
            return Accuracy(found["accuracy"], found["test_frames"], found["data"]["name"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
            return None  # a file of somebody else's, or of a training with another figure
    return None
