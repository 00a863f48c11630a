"""Trained models, one folder each: ``model.onnx`` (QONNX), ``card.toml`` (how it was trained), a README."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from dataflow.errors import require_known

__all__ = ["card", "names", "path"]


def names() -> tuple[str, ...]:
    """Return the names of the models."""
    return tuple(sorted(folder.name for folder in _root().iterdir() if (folder / "card.toml").is_file()))


def path(name: str) -> Path:
    """Return the folder of a model.

    Raises
    ------
    InputError
        There is no model of that name; the message suggests the most similar one.
    """
    return _root() / require_known("Model of the zoo", name, names())


def card(name: str) -> dict[str, Any]:
    """Return a model's card: recipe, seed, epochs, date, versions, accuracies."""
    return tomllib.loads((path(name) / "card.toml").read_text("utf-8"))


def _root() -> Path:
    return Path(str(files("zoo")))
