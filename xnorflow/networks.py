"""Finding the network a user names: an .xnf file, a model that is lowered on the way, or one of the zoo."""

import os
from pathlib import Path

from dataflow import InputError, Network, load

__all__ = ["model_path", "open_network"]


def model_path(name: str | os.PathLike[str]) -> Path:
    """Return the ONNX file of a model: a file, a folder with ``model.onnx``, or a name of the zoo.

    Raises
    ------
    InputError
        Neither a file nor in the zoo.
    """
    import zoo

    path = Path(name)
    if (path / "model.onnx").is_file():
        return path / "model.onnx"
    if path.is_file():
        return path
    known = path.name
    if known in zoo.names() and str(path) in (known, f"zoo/{known}"):
        return zoo.path(known) / "model.onnx"
    raise InputError(f"Model must be a file, a folder with model.onnx or one of {', '.join(zoo.names())}, not {name!r}")


def open_network(name: str | os.PathLike[str]) -> Network:
    """Return the network of an .xnf file, or of a model (file, folder, zoo name), which is lowered now."""
    path = Path(name)
    if path.suffix == ".xnf":
        return load(path)
    from quant.lowering import lower

    return lower(model_path(name))
