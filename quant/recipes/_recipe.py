"""Recipe: its fields, their rules, and reading it from TOML."""

import os
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from dataflow import InputError
from dataflow.errors import require_known
from quant import datasets

__all__ = ["Recipe", "load", "names"]

#: Least values of the integers.
_LEAST = {"epochs": 1, "batch_size": 2, "seed": 0, "shift": 0, "validation": 0, "threads": 1}


@dataclass(frozen=True)
class Recipe:
    """How a dense binary network is trained: Adam on cross-entropy, learning rate on half a cosine down to 0.

    Parameters
    ----------
    name : what the network is called; the file's name
    dataset : name of the data set
    hidden : neurons of each hidden layer
    epochs : how often each training image is seen
    batch_size : images of a step
    learning_rate : at the start
    seed : of weights, order and augmentation
    shift : training images are moved by up to so many pixels in both directions, zeros coming in
    shift_chance : part of the images of an epoch that are moved, drawn anew each time
    validation : so many images at the end of the training part are not trained on; their accuracy is logged
    threads : processor threads; small networks are fastest with one, and another number gives other sums' last bits
    """

    name: str
    dataset: str
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int = 256
    learning_rate: float = 0.01
    seed: int = 0
    shift: int = 0
    shift_chance: float = 1.0
    validation: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        require_known(f"Data set of recipe {self.name!r}", self.dataset, datasets.NAMES)
        sizes = isinstance(self.hidden, tuple) and all(_is_integer(size) and size >= 1 for size in self.hidden)
        self._check("hidden", sizes and len(self.hidden) >= 1, "one or more integers of at least 1")
        for name, least in (
            ("epochs", 1),
            ("batch_size", 2),
            ("seed", 0),
            ("shift", 0),
            ("validation", 0),
            ("threads", 1),
        ):
            value = getattr(self, name)
            self._check(name, _is_integer(value) and value >= least, f"an integer of at least {least}")
        self._check("learning_rate", _is_number(self.learning_rate) and self.learning_rate > 0, "a number above 0")
        self._check("shift_chance", _is_number(self.shift_chance) and 0 <= self.shift_chance <= 1, "from 0 to 1")

    def _check(self, name: str, fulfilled: bool, rule: str) -> None:
        if not fulfilled:
            raise InputError(f"{name} of recipe {self.name!r} must be {rule}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as TOML and JSON can hold it."""
        return {**asdict(self), "hidden": list(self.hidden)}


def names() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    found = (Path(entry.name) for entry in files("quant.recipes").iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".toml"))


def load(name_or_path: str | os.PathLike[str]) -> Recipe:
    """Return a recipe by its name, or from a file whose path ends in ``.toml``.

    Raises
    ------
    InputError
        There is no such recipe, or its file is not a good one.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        name = require_known("Recipe", os.fspath(name_or_path), names())
        path = Path(str(files("quant.recipes"))) / f"{name}.toml"
    return _recipe_of(path.stem, _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"Recipe file {str(path)!r} must be readable, not {error.strerror!r}") from error
    except ValueError as error:  # of the TOML reader, and of bytes that are not UTF-8
        raise InputError(f"Recipe file {str(path)!r} must be TOML, not text with: {error}") from error


def _recipe_of(name: str, entries: dict[str, Any]) -> Recipe:
    known = {field.name: field for field in fields(Recipe) if field.name != "name"}
    for key in entries:
        require_known(f"Key of recipe {name!r}", key, known)
    for key, field in known.items():
        if field.default is MISSING and key not in entries:
            raise InputError(f"Recipe {name!r} must have the key {key!r}, which is left out")
    hidden = entries["hidden"]
    return Recipe(name=name, **{**entries, "hidden": tuple(hidden) if isinstance(hidden, list) else hidden})


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and isfinite(value))


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
