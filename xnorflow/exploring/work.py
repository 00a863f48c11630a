"""The work on one point, in a process that may be another one: what it costs, its training, and all its figures."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow import InputError, Network
from quant.recipes import Recipe
from xnorflow.exploring.points import Evaluation, evaluate, network_of, recipe_of
from xnorflow.exploring.space import Space

__all__ = ["estimated", "evaluated", "known_network", "model_folder", "require_sources", "trained", "validated"]

#: Trained models in the folder of an exploration, each by the checksum of its recipe.
MODELS = "models"

_METRICS = "metrics.json"


def estimated(space: Space, parameters: Mapping[str, Any], data: str | os.PathLike[str] | None) -> Evaluation:
    """Return the figures of a point's hardware, without training; why there is no such network becomes its reason.

    Parameters
    ----------
    data : folder of data sets
    """
    try:
        return evaluate(space, parameters, _without_training(space, recipe_of(space, parameters), data))
    except InputError as error:
        return Evaluation(reason=str(error))


def evaluated(space: Space, parameters: Mapping[str, Any], base: Path) -> Evaluation:
    """Return all figures of a point whose network is trained.

    Parameters
    ----------
    base : folder of the exploration, in which trained models are kept
    """
    try:
        return evaluate(space, parameters, *known_network(space, parameters, base))
    except InputError as error:
        return Evaluation(reason=str(error))


def validated(recipe: Recipe, base: Path, data: str | os.PathLike[str] | None, epochs: int) -> float | str:
    """Return the accuracy of a recipe's held-out images after so many epochs, or why there is none."""
    folder = model_folder(recipe, base)
    history = _history(folder)
    if len(history) < epochs:
        from quant.training import train

        try:
            train(recipe, data=data, out=folder, resume=True, until=epochs, progress=False)
        except InputError as error:
            return str(error)
        history = _history(folder)
    accuracy: float = history[epochs - 1]["validation_accuracy"]
    return accuracy


def trained(recipe: Recipe, base: Path, data: str | os.PathLike[str] | None) -> str:
    """Train the network of a recipe, unless the folder has its model; return why that is not possible, or ``""``."""
    folder = model_folder(recipe, base)
    if not (folder / _METRICS).is_file():
        from quant.training import train

        try:
            train(recipe, data=data, out=folder, resume=True, progress=False)
        except InputError as error:
            return str(error)
    return ""


def _history(folder: Path) -> list[dict[str, Any]]:
    """Return the figures of the epochs that a run has, which may be none."""
    from quant.checkpoints import STATE, read_checkpoint

    file = folder / "checkpoint.ckpt"
    history: list[dict[str, Any]] = read_checkpoint(file)[STATE]["history"] if file.is_file() else []
    return history


def require_sources(space: Space, data: str | os.PathLike[str] | None) -> None:
    """Check that there are the model or the data set of all points: a point would keep it as its reason for ever.

    Raises
    ------
    InputError
        The model cannot be opened, or the data set cannot be read.
    """
    if space.recipe is None:
        from xnorflow.networks import open_network

        open_network(space.model)
    elif space.trains:
        from quant import datasets

        for split in datasets.SPLITS:
            datasets.load(space.recipe.dataset, split, data=data, image_size=space.recipe.image_size)


def known_network(
    space: Space, parameters: Mapping[str, Any], base: Path, data: str | os.PathLike[str] | None = None
) -> tuple[Network, float | None]:
    """Return the network of a point, and its accuracy if the space trains: then the folder has its model.

    Raises
    ------
    InputError
        There is no such network.
    """
    from xnorflow.accuracy import accuracy_of
    from xnorflow.networks import lowered_network

    recipe = recipe_of(space, parameters)
    if recipe is None or not space.trains:
        return _without_training(space, recipe, data), None
    network = lowered_network(model_folder(recipe, base))
    accuracy = accuracy_of(network)
    assert accuracy is not None
    return network, accuracy.share


def _without_training(space: Space, recipe: Recipe | None, data: str | os.PathLike[str] | None) -> Network:
    from xnorflow.networks import open_network

    return open_network(space.model) if recipe is None else network_of(recipe, data)


def model_folder(recipe: Recipe, base: Path) -> Path:
    """Return the folder of a recipe's model in that of an exploration."""
    content = {**recipe.to_dict(), "name": ""}
    return base / MODELS / hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
