"""Python files of the user, such as a method, a network or data of one's own."""

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataflow import InputError
from dataflow.errors import require_known

__all__ = ["attribute_of", "called"]


def attribute_of(what: str, name: str) -> Any:
    """Return what a user's file calls a name, as in ``my_net.py:build``; the file is run, and finds others beside it.

    Parameters
    ----------
    what : for messages, such as "Network"

    Raises
    ------
    InputError
        The file is missing or fails, or has no such name.
    """
    text, _, attribute = name.rpartition(":")
    path = Path(text)
    if not path.is_file():
        raise InputError(f"File of {what.lower()} {name!r} must exist, which {text!r} does not")
    # Another name than the file's own, so that a file `random.py` hides no module of Python's.
    spec = importlib.util.spec_from_file_location(f"_of_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"File of {what.lower()} {name!r} must be one of Python, not {path.name!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"File of {what.lower()} {name!r} must run, not end in {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(folder)
    if not hasattr(module, attribute):
        raise InputError(f"File of {what.lower()} {name!r} must define {attribute!r}, which it does not")
    return getattr(module, attribute)


def called(
    what: str, name: str, function: Callable[..., Any], offered: dict[str, Any], given: dict[str, Any] | None = None
) -> Any:
    """Call a user's function.

    Parameters
    ----------
    what, name : for messages
    offered : arguments by name, of which the function gets those that it takes
    given : arguments that it must take

    Raises
    ------
    InputError
        It takes no argument of that name, or fails.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} {name!r} must be a function, not {type(function).__name__}") from error
    every = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    for key in given or {}:
        if not every:
            require_known(f"Argument of {what.lower()} {name!r}", key, tuple(parameters))
    arguments = {key: value for key, value in offered.items() if every or key in parameters} | (given or {})
    try:
        return function(**arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{what} {name!r} must return its result, not end in {type(error).__name__}: {error}"
        ) from error
