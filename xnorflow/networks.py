"""Opening the network that a user names: an .xnf file, a model that is lowered first, or one of the zoo."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from dataflow import BIPOLAR, InputError, MatrixVector, Network, SlidingWindow, load
from xnorflow.accuracy import recorded_accuracy, with_accuracy

__all__ = ["lowered_network", "model_path", "open_network"]

_MODEL = "model.onnx"

#: Files beside a trained model that contain its recipe, and the functions that parse them.
_RECIPES = {"card.toml": tomllib.loads, "metrics.json": json.loads}


def model_path(name: str | os.PathLike[str]) -> Path:
    """Return the ONNX file of a model: a file, a folder with ``model.onnx``, or a name of the zoo.

    Raises
    ------
    InputError
        Neither a file nor in the zoo.
    """
    import zoo

    path = Path(name)
    if (path / _MODEL).is_file():
        return path / _MODEL
    if path.is_file():
        return path
    known = path.name
    if known in zoo.names() and str(path) in (known, f"zoo/{known}"):
        return zoo.path(known) / _MODEL
    raise InputError(f"Model must be a file, a folder with model.onnx or one of {', '.join(zoo.names())}, not {name!r}")


def open_network(name: str | os.PathLike[str]) -> Network:
    """Return the network of an .xnf file, or of a model (file, folder, zoo name), which is lowered first."""
    path = Path(name)
    return load(path) if path.suffix == ".xnf" else lowered_network(name)


def lowered_network(
    name: str | os.PathLike[str], *, input_kind: str = "auto", outputs: str = "auto", weight_tolerance: float = 0.0
) -> Network:
    """Lower a model (file, folder, zoo name), and compare its padding with the recipe beside it, if there is one.

    The network remembers the accuracy that the card or the metrics beside the model tell.

    Parameters
    ----------
    input_kind, outputs, weight_tolerance : as of `quant.lowering.lower`

    Raises
    ------
    InputError
        No such model, one that cannot be lowered, or one whose padding differs from its recipe.
    """
    from quant.lowering import lower

    path = model_path(name)
    network = lower(path, input_kind=input_kind, outputs=outputs, weight_tolerance=weight_tolerance)
    recipe = _recipe_beside(path)
    if recipe is not None:
        _check_padding(network, recipe)
    accuracy = recorded_accuracy(path)
    return network if accuracy is None else with_accuracy(network, accuracy)


def _recipe_beside(model: Path) -> dict[str, Any] | None:
    """Return the recipe in the card or the metrics of a trained model, or None if it has neither."""
    for name, read in _RECIPES.items():
        path = model.parent / name
        if model.name != _MODEL or not path.is_file():
            continue
        try:
            recipe = read(path.read_text("utf-8")).get("recipe")
        except (ValueError, AttributeError) as error:
            raise InputError(
                f"File {str(path)!r} must contain the recipe of the model beside it, not: {error}"
            ) from error
        return recipe if isinstance(recipe, dict) else None
    return None


def _check_padding(network: Network, recipe: dict[str, Any]) -> None:
    """Refuse windows whose padding differs from the recipe."""
    padding, kernel = recipe.get("padding"), recipe.get("kernel", 3)
    if padding not in ("valid", "zero"):
        return
    if isinstance(kernel, bool) or not isinstance(kernel, int):
        raise InputError(f"kernel of the recipe beside the model must be an integer, not {kernel!r}")
    side = kernel // 2 if padding == "zero" else 0
    for window in network.nodes:
        if not isinstance(window, SlidingWindow):
            continue
        (fifo,) = network.fifos_out_of(window.name)
        layer = network.node(fifo.target)
        assert isinstance(layer, MatrixVector)
        zeros = layer.position_classes is not None if window.element == BIPOLAR else window.pad == 0
        if window.padding != (side,) * 4 or (side and not zeros):
            number = "" if not any(window.padding) else " of zeros" if zeros else " of another number"
            raise InputError(
                f"Padding of node {layer.name!r} must be {padding!r} as the recipe beside the model has it, {side} on "
                f"each side, not {window.padding}{number}: the model is not the one that was trained"
            )
