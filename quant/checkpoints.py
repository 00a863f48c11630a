"""Checkpoints: what a training has stored, and the network in it.

Checkpoints are Lightning's. They are read as tensors and plain values only, which runs no code of theirs; a method or a
network of one's own is run from the file that the recipe names.
"""

import os
import pickle
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from torch import nn

from dataflow import InputError
from quant import recipes
from quant.models import adopt, build
from quant.recipes import OwnRecipe, Recipe

__all__ = ["STATE", "initialize", "load_checkpoint", "new_network", "own_recipe", "read_checkpoint", "stored_recipe"]

#: Key of our own entry in a checkpoint.
STATE = "xnorflow"

#: What precedes the names of a network's tensors: those that are trained, and their running averages.
_TRAINED, _AVERAGED = "network.", "average.module."


def load_checkpoint(path: str | os.PathLike[str], network: nn.Module | None = None) -> tuple[Recipe, nn.Module]:
    """Return the recipe and the network of a checkpoint, in the state after its last epoch.

    Parameters
    ----------
    network : the untrained network, if it was given to the training and not by the recipe; its layers are changed

    Raises
    ------
    InputError
        The file is missing or damaged, another program wrote it, or the network has other layers.
    """
    checkpoint = read_checkpoint(Path(path))
    state = checkpoint[STATE]
    recipe = stored_recipe(path, checkpoint)
    if network is None:
        network = new_network(recipe, state["frame_shape"], state["classes"])
    else:
        network, _ = adopt(network, own_recipe(recipe))
    prefix = _AVERAGED if recipe.average else _TRAINED
    # A classifier that layers share in training is beside the network, and not needed after it.
    tensors = checkpoint["state_dict"].items()
    weights = {name.removeprefix(prefix): tensor for name, tensor in tensors if name.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"Network must be the one of checkpoint {str(path)!r}, not another one: {error}") from error
    return recipe, network.eval()


def initialize(network: nn.Module, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Give a network the weights of another training, wherever it has a tensor of the same name and shape.

    Parameters
    ----------
    path : a checkpoint, or a training's folder

    Returns
    -------
    left : names of the network's tensors that keep their own values

    Raises
    ------
    InputError
        It is no checkpoint, or nothing in it fits the network.
    """
    file = Path(path) / "checkpoint.ckpt" if Path(path).is_dir() else Path(path)
    if file.suffix == ".onnx":
        raise InputError(
            f"Initial weights must be a checkpoint, or the folder of a training, not {str(path)!r}: a QONNX file has "
            "no modules that learn; train the float network with its streams rounded instead (docs/own.md)"
        )
    checkpoint = read_checkpoint(file)
    prefix = _AVERAGED if checkpoint[STATE]["recipe"].get("average") else _TRAINED
    given = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    if not any(tensor.ndim > 1 for tensor in fitting.values()):  # weights, not only counters and the like
        raise InputError(
            f"Initial weights {str(path)!r} must have weights of the network, not of other names and shapes"
        )
    network.load_state_dict({**own, **fitting})
    return tuple(sorted(own.keys() - fitting.keys()))


def own_recipe(recipe: Recipe) -> OwnRecipe:
    """Return a recipe after checking that it is one of a network that is given.

    Raises
    ------
    InputError
        It has a network itself.
    """
    if not isinstance(recipe, OwnRecipe) or recipe.network:
        raise InputError(f"Recipe {recipe.name!r} must be an OwnRecipe without network if a network is given")
    return recipe


def new_network(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained network of a recipe; its weights depend on the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return build(recipe, frame_shape, classes)


def stored_recipe(path: str | os.PathLike[str], checkpoint: dict[str, Any]) -> Recipe:
    """Return the recipe of a checkpoint.

    Raises
    ------
    InputError
        Another version wrote the checkpoint, whose recipes have other keys.
    """
    try:
        return recipes.from_dict(checkpoint[STATE]["recipe"])
    except InputError as error:
        raise InputError(f"Recipe of checkpoint {str(path)!r} must be one of this version: {error}") from error


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tensors and values of a checkpoint.

    Raises
    ------
    InputError
        The file is missing or damaged, or another program wrote it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Checkpoint {str(path)!r} must exist")
    if not is_zipfile(path):
        raise InputError(f"Checkpoint {str(path)!r} must be a complete zip file, not a truncated or another file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"Checkpoint {str(path)!r} must hold tensors and plain values, nothing else") from error
    if not isinstance(checkpoint, dict) or STATE not in checkpoint:
        raise InputError(f"Checkpoint {str(path)!r} must be one that xnorflow has written, not another program's")
    return checkpoint
