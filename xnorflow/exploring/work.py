"""The evaluation of one point, in a process that may be another one."""

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

__all__ = ["evaluated", "known_network", "model_folder", "require_sources"]

#: Trained models in the folder of an exploration, each by the checksum of its recipe.
MODELS = "models"


def evaluated(
    space: Space, parameters: Mapping[str, Any], base: Path, data: str | os.PathLike[str] | None
) -> Evaluation:
    """Return the evaluation of a point; a network that it has no use for becomes its reason.

    Parameters
    ----------
    base : folder of the exploration, in which trained models are kept
    data : folder of data sets
    """
    try:
        network, accuracy = known_network(space, parameters, base, data)
    except InputError as error:
        return Evaluation(reason=str(error))
    return evaluate(space, parameters, network, accuracy)


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
    """Return the network of a point, and its accuracy if it is trained; what the folder has is not trained again.

    Raises
    ------
    InputError
        There is no such network.
    """
    recipe = recipe_of(space, parameters)
    if recipe is None:
        from xnorflow.networks import open_network

        return open_network(space.model), None
    return _trained(recipe, base, data) if space.trains else (network_of(recipe), None)


def model_folder(recipe: Recipe, base: Path) -> Path:
    """Return the folder of a recipe's model in that of an exploration."""
    content = {**recipe.to_dict(), "name": ""}
    return base / MODELS / hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _trained(recipe: Recipe, base: Path, data: str | os.PathLike[str] | None) -> tuple[Network, float]:
    """Return the network and the accuracy of a recipe, which is trained unless the folder has its model."""
    from xnorflow.accuracy import accuracy_of
    from xnorflow.networks import lowered_network

    folder = model_folder(recipe, base)
    if not (folder / "metrics.json").is_file():
        from quant.training import train

        train(recipe, data=data, out=folder, resume=(folder / "checkpoint.ckpt").is_file(), progress=False)
    network = lowered_network(folder / "model.onnx")
    accuracy = accuracy_of(network)
    assert accuracy is not None
    return network, accuracy.share
