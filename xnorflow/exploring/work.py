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

__all__ = ["evaluated"]

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
        recipe = recipe_of(space, parameters)
        if recipe is None:
            from xnorflow.networks import open_network

            return evaluate(space, parameters, open_network(space.model))
        if not space.trains:
            return evaluate(space, parameters, network_of(recipe))
        network, accuracy = _trained(recipe, base, data)
    except InputError as error:
        return Evaluation(reason=str(error))
    return evaluate(space, parameters, network, accuracy)


def _trained(recipe: Recipe, base: Path, data: str | os.PathLike[str] | None) -> tuple[Network, float]:
    """Return the network and the accuracy of a recipe, which is trained unless the folder has its model."""
    from xnorflow.accuracy import accuracy_of
    from xnorflow.networks import lowered_network

    content = {**recipe.to_dict(), "name": ""}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    folder = base / MODELS / digest
    if not (folder / "metrics.json").is_file():
        from quant.training import train

        train(recipe, data=data, out=folder, resume=(folder / "checkpoint.ckpt").is_file(), progress=False)
    network = lowered_network(folder / "model.onnx")
    accuracy = accuracy_of(network)
    assert accuracy is not None
    return network, accuracy.share
