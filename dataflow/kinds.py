"""Finding a level's implementation of a node kind, by the kind's name in lower case."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from dataflow import nodes
from dataflow.nodes import Node

__all__ = ["implementation", "kind_named"]


def kind_named(name: object) -> type[Node] | None:
    """Return the node kind of that name, or None if there is none."""
    return next((kind for kind in nodes.KINDS if kind.__name__ == name), None)


def implementation(kind: type[Node], level: str, name: str | None = None) -> Callable[..., Any]:
    """Return a level's implementation of a node kind.

    Parameters
    ----------
    level : package of the level, such as "hwsim.reference", which has a module with the kind's word as its name
    name : name of the implementation in that module; the default is the word

    Raises
    ------
    TypeError
        The level has no module for the kind, or it lacks the name.
    """
    module, name = f"{level}.{kind.word()}", name or kind.word()
    try:
        found: Callable[..., Any] | None = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise TypeError(f"Node kind {kind.__name__} must have a module {module}, not none") from error
    if found is None:
        raise TypeError(f"Module {module} of node kind {kind.__name__} must have {name!r}, not lack it")
    return found
