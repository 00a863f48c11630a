"""Reading recipes from the package, a TOML file or a stored dictionary."""

import os
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from dataflow import InputError
from dataflow.errors import require_known
from quant.recipes._networks import KINDS, DenseRecipe
from quant.recipes._recipe import Recipe

__all__ = ["changed", "from_dict", "load", "names"]


def from_dict(entries: dict[str, Any]) -> Recipe:
    """Return a recipe from the values of its `to_dict`.

    Raises
    ------
    InputError
        A key is unknown or missing, or a value is invalid.
    """
    entries = dict(entries)
    return _recipe_of(entries.pop("name"), entries)


def names() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    found = (Path(entry.name) for entry in files("quant.recipes").iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".toml"))


def load(name_or_path: str | os.PathLike[str]) -> Recipe:
    """Return a recipe by its name, or from a file whose path ends in ``.toml``.

    Raises
    ------
    InputError
        There is no such recipe, or its file is invalid.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        name = require_known("Recipe", os.fspath(name_or_path), names())
        path = Path(str(files("quant.recipes"))) / f"{name}.toml"
    return _recipe_of(path.stem, _read(path))


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with other values.

    Parameters
    ----------
    settings : texts like ``epochs=5``, ``method=irnet`` or ``options.first=0.01``; a value is TOML, or a text without
        quotation marks

    Raises
    ------
    InputError
        A text has another form, or its key or value is invalid.
    """
    entries = recipe.to_dict()
    name = entries.pop("name")
    for setting in settings:
        key, equals, text = setting.partition("=")
        table, dot, option = key.partition(".")
        if not equals or not table or (dot and (table not in recipe.tables or not option)):
            forms = ", ".join(("KEY=VALUE", *(f"{each}.KEY=VALUE" for each in recipe.tables)))
            raise InputError(f"Setting of recipe {name!r} must be one of {forms}, not {setting!r}")
        (entries[table] if dot else entries)[option or table] = _value_of(text)
    return _recipe_of(name, entries)


def _value_of(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"Recipe file {str(path)!r} must be readable, not {error.strerror!r}") from error
    except ValueError as error:  # of the TOML reader, and of bytes that are not UTF-8
        raise InputError(f"Recipe file {str(path)!r} must be TOML, not text with: {error}") from error
    except RecursionError as error:
        raise InputError(f"Recipe file {str(path)!r} must have numbers and texts, not deeply nested values") from error


def _recipe_of(name: str, entries: dict[str, Any]) -> Recipe:
    kind = next((kind for key, kind in KINDS.items() if key in entries), DenseRecipe)
    known = {field.name: field for field in fields(kind) if field.name != "name"}
    others = [key for key in KINDS if key in entries and key not in known]
    if others:
        key = next(key for key in KINDS if key in entries)
        raise InputError(f"Recipe {name!r} must have one of {', '.join((key, *others))}, not both")
    for key in entries:
        require_known(f"Key of recipe {name!r}", key, {*known, *KINDS})
    for key, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING and key not in entries:
            raise InputError(f"Recipe {name!r} must have the key {key!r}, which is missing")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()}
    return kind(name=name, **values)
