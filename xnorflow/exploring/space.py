"""What an exploration varies, wants and requires: a TOML file, checked.

::

    recipe = "tfc-w1a1"             # or model = "tfc-w1a1": a trained one, of which only the folding varies
    board = "icebreaker"            # or family = "ice40"
    objectives = ["accuracy", "fps", "luts"]
    points = 100

    [set]                           # of the recipe, for all points
    epochs = 5

    [space]
    hidden = [[64, 64], [128, 64], [256]]
    method = ["bnn", "bbc"]
    interval = { low = 100, high = 50000, log = true }

    [constraints]
    accuracy = { least = 0.9 }
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from dataflow import InputError
from dataflow.errors import require_known
from dataflow.families import family_of
from quant import recipes
from quant.recipes import Recipe

__all__ = ["OBJECTIVES", "SAMPLERS", "Choice", "Objective", "Range", "Space", "narrowed", "read_space", "space_of"]


@dataclass(frozen=True)
class Objective:
    """A figure that an exploration makes better.

    Parameters
    ----------
    title : for people
    unit : of its numbers
    grows : whether more is better
    trained : whether it needs a trained network
    """

    title: str
    unit: str
    grows: bool
    trained: bool = False


#: The figures by name. The energy is a proxy: what is switched grows with the cells and the cycles of a frame.
OBJECTIVES = {
    "accuracy": Objective("accuracy", "of the test images", grows=True, trained=True),
    "fps": Objective("frames per second", "1/s", grows=True),
    "latency_us": Objective("latency", "us", grows=False),
    "luts": Objective("LUTs", "", grows=False),
    "brams": Objective("block RAMs", "", grows=False),
    "energy": Objective("energy", "million cells x cycles per frame", grows=False),
}

SAMPLERS = ("tpe", "nsga2", "random", "grid")

#: Parameters that are of no recipe: of the folding (one of them), and a factor of the sizes of all layers.
FOLDINGS = ("interval", "fps", "utilization")
WIDTH = "width"

_KEYS = {
    *("recipe", "model", "board", "family", "clock_mhz", "objectives", "points", "sampler", "seed", "batch", "halving"),
    *("set", "space", "constraints"),
}


@dataclass(frozen=True)
class Choice:
    """A parameter with these values."""

    values: tuple[Any, ...]

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def __contains__(self, value: Any) -> bool:
        return any(type(each) is type(value) and each == value for each in self.values)

    def __str__(self) -> str:
        return ", ".join(map(json.dumps, self.values))


@dataclass(frozen=True)
class Range:
    """A parameter with the numbers of a range.

    Parameters
    ----------
    low, high : the least and the greatest
    step : between two of them; 0 for any number
    log : whether the logarithm is drawn evenly
    """

    low: float
    high: float
    step: float = 0
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether all are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int)

    def __contains__(self, value: Any) -> bool:
        if not _is_number(value) or not self.low <= value <= self.high or (self.whole and not isinstance(value, int)):
            return False
        return not self.step or bool(abs((value - self.low) / self.step % 1 - 0.5) > 0.5 - 1e-9)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (f" in steps of {self.step:g}" if self.step and not self.log else "")


@dataclass(frozen=True)
class Space:
    """What an exploration varies, wants and requires.

    Parameters
    ----------
    recipe : how networks are trained, before the parameters change it; None for a model
    model : path or name of a trained model, of which only the folding varies; empty for a recipe
    board, family : for which networks are folded; the board is empty for a family alone
    clock_mhz : clock of times
    objectives : names of `OBJECTIVES`
    parameters : by name: fields of the recipe, `WIDTH`, one of `FOLDINGS`
    constraints : least and greatest values by objective
    points : how many points are evaluated
    sampler : one of `SAMPLERS`
    seed : of the sampler
    batch : points that are chosen at once, before any of them is evaluated
    halving : one point in so many goes on after a part of its epochs: for 3, after a ninth and a third; 1 for all
    file : from which it was read, for commands that rebuild a point
    """

    recipe: Recipe | None
    model: str
    board: str
    family: str
    clock_mhz: float
    objectives: tuple[str, ...]
    parameters: Mapping[str, Choice | Range]
    constraints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    points: int = 100
    sampler: str = "tpe"
    seed: int = 0
    batch: int = 4
    halving: int = 1
    file: str = ""

    @property
    def trains(self) -> bool:
        """Whether points are trained."""
        return self.recipe is not None and any(
            OBJECTIVES[name].trained for name in (*self.objectives, *self.constraints)
        )

    def digest(self) -> str:
        """Return a checksum of all that decides which points there are and what they get; not of their number."""
        content = {
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "model": self.model,
            "target": [self.board, self.family, self.clock_mhz],
            "objectives": self.objectives,
            "parameters": {name: repr(values) for name, values in self.parameters.items()},
            "constraints": dict(self.constraints),
            "sampler": [self.sampler, self.seed, self.batch, self.halving],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_space(path: str | os.PathLike[str]) -> Space:
    """Return the space of a TOML file.

    Raises
    ------
    InputError
        No such file, or one with an unknown key, an empty or impossible range, or an unknown objective.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Space file {os.fspath(path)!r} must be readable, not: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"Space file {os.fspath(path)!r} must be TOML, not: {error}") from error
    return space_of(content, os.fspath(path))


def space_of(content: Mapping[str, Any], file: str = "") -> Space:
    """Return the space that a mapping describes, with the keys and tables of a TOML file.

    Parameters
    ----------
    file : the file that it was read from, if there is one

    Raises
    ------
    InputError
        As of `read_space`.
    """
    shown = f"Space file {file!r}" if file else "Space"
    for key in content:
        require_known(f"Key of space {file!r}" if file else "Key of the space", key, sorted(_KEYS))
    parameters = _table(content, "space")
    if not parameters:
        raise InputError(f"{shown} must have a table [space] with a parameter, not none")
    recipe, model = _network(content, parameters)
    board, family, clock_mhz = _target(content)
    space = Space(
        recipe,
        model,
        board,
        family,
        clock_mhz,
        _objectives(content),
        {name: _parameter(name, value) for name, value in parameters.items()},
        _constraints(content),
        _integer(content, "points", 100, 1),
        require_known("Sampler", content.get("sampler", "tpe"), SAMPLERS),
        _integer(content, "seed", 0, 0),
        _integer(content, "batch", 4, 1),
        _integer(content, "halving", 1, 1),
        file,
    )
    _check_halving(space)
    foldings = [name for name in FOLDINGS if name in space.parameters]
    if len(foldings) > 1:
        raise InputError(
            f"Parameters of the folding must be one of {', '.join(FOLDINGS)}, not {' and '.join(foldings)}"
        )
    if "utilization" in foldings and not board:
        raise InputError("Parameter 'utilization' must be given with a board, not with a family alone")
    if model and "accuracy" in space.objectives:
        raise InputError(
            "Objectives of a trained model must be of its hardware, not accuracy, which is the same for all"
        )
    if space.sampler == "grid":
        continuous = [
            name
            for name, values in space.parameters.items()
            if isinstance(values, Range) and (values.log or not values.step)
        ]
        if continuous:
            raise InputError(f"Parameter {continuous[0]!r} must have a step for the sampler grid, not any number")
    return space


def narrowed(space: Space, settings: Sequence[str]) -> Space:
    """Return the space with some parameters fixed; of all of them, it has one point.

    Parameters
    ----------
    settings : each ``NAME=VALUE``, the value as TOML has it

    Raises
    ------
    InputError
        No such parameter, or a value that it does not have.
    """
    parameters = dict(space.parameters)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"Fixed parameter must be NAME=VALUE, not {setting!r}")
        require_known("Fixed parameter", name, list(parameters))
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        value = tuple(value) if isinstance(value, list) else value
        if value not in space.parameters[name]:
            raise InputError(
                f"Value of parameter {name!r} must be one of the space's, {space.parameters[name]}, not {text}"
            )
        parameters[name] = Choice((value,))
    single = all(isinstance(each, Choice) and each.count == 1 for each in parameters.values())
    return replace(space, parameters=parameters, points=1 if single else space.points)


def _check_halving(space: Space) -> None:
    """Check that points can be compared before their training ends."""
    if space.halving == 1:
        return
    if space.recipe is None or "accuracy" not in space.objectives:
        raise InputError("halving must be 1 for a space without the objective accuracy")
    if "epochs" in space.parameters:
        raise InputError("Parameters must be without 'epochs' for halving, which compares points after the same epochs")
    if not space.recipe.validation:
        raise InputError("validation of the space's recipe must be above 0 for halving, which compares points by it")


def _network(content: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[Recipe | None, str]:
    given = [key for key in ("recipe", "model") if key in content]
    if len(given) != 1 or not isinstance(content[given[0]], str):
        raise InputError(
            f"Space must have one of recipe and model, a name or a file, not {' and '.join(given) or 'none'}"
        )
    others = [name for name in parameters if name not in FOLDINGS]
    if given == ["model"]:
        if others or "set" in content:
            raise InputError(
                f"Parameters of a trained model must be one of {', '.join(FOLDINGS)}, not {(others or ['set'])[0]!r}"
            )
        return None, content["model"]
    recipe = recipes.load(content["recipe"])
    recipe = recipes.changed(recipe, [f"{key}={json.dumps(value)}" for key, value in _table(content, "set").items()])
    known = {*recipe.to_dict(), WIDTH} - {"name"}
    for name in others:
        table = name.partition(".")[0]
        if not ("." in name and table in recipe.tables):
            require_known("Parameter of the space", name, sorted(known))
    return recipe, ""


def _target(content: Mapping[str, Any]) -> tuple[str, str, float]:
    from rtl.boards import board_of
    from xnorflow.timing import clock_for, clock_of

    clock = content.get("clock_mhz")
    if clock is not None and (isinstance(clock, bool) or not isinstance(clock, int | float)):
        raise InputError(f"Clock (clock_mhz) of the space must be a number, not {clock!r}")
    if "board" in content:
        board = board_of(content["board"])
        chosen = clock_for(board) if clock is None else clock_of(clock)
        return board.name, board.family, chosen.mhz
    return "", family_of(content.get("family", "ecp5")).name, (100.0 if clock is None else clock_of(clock).mhz)


def _objectives(content: Mapping[str, Any]) -> tuple[str, ...]:
    names = content.get("objectives", ["fps", "luts"])
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise InputError(f"Objectives must be a list of different names, not {names!r}")
    for name in names:
        require_known("Objective", name, list(OBJECTIVES))
    return tuple(names)


def _constraints(content: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    found = {}
    for name, bounds in _table(content, "constraints").items():
        require_known("Constraint", name, list(OBJECTIVES))
        if not isinstance(bounds, dict) or not bounds or set(bounds) - {"least", "most"}:
            raise InputError(f"Constraint of {name} must be a table with least or most, not {bounds!r}")
        least, most = (bounds.get("least", float("-inf")), bounds.get("most", float("inf")))
        if not (_is_number(least) and _is_number(most) and least <= most):
            raise InputError(f"Constraint of {name} must be numbers, the least not above the most, not {bounds!r}")
        found[name] = (float(least), float(most))
    return found


def _parameter(name: str, value: Any) -> Choice | Range:
    if isinstance(value, list):
        if not value:
            raise InputError(f"Parameter {name!r} must have one or more values, not an empty list")
        return Choice(tuple(tuple(each) if isinstance(each, list) else each for each in value))
    if not isinstance(value, dict) or set(value) - {"low", "high", "step", "log"} or not {"low", "high"} <= set(value):
        raise InputError(f"Parameter {name!r} must be a list of values, or a table with low and high, not {value!r}")
    low, high, log = value["low"], value["high"], value.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    step = value.get("step", 1 if whole else 0)
    for key, number in (("low", low), ("high", high), ("step", step)):
        if not _is_number(number) or not isfinite(number):
            raise InputError(f"{key} of parameter {name!r} must be a finite number, not {number!r}")
    if not low <= high or step < 0:
        raise InputError(
            f"Range of parameter {name!r} must have a low end that is not above the high one, not {value!r}"
        )
    if not isinstance(log, bool) or (log and (low <= 0 or ("step" in value))):
        raise InputError(f"log of parameter {name!r} must be true for numbers above 0 without a step, not {value!r}")
    return Range(low, high, step, log)


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{key} of the space must be a table, not {value!r}")
    return value


def _integer(content: Mapping[str, Any], key: str, usual: int, least: int) -> int:
    value = content.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        raise InputError(f"{key} of the space must be an integer of at least {least}, not {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
