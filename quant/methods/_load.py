"""Methods by name, and from a file of the user's."""

from dataclasses import MISSING, fields
from typing import Any

from dataflow import InputError
from dataflow.errors import require_known
from quant.methods._method import Method
from quant.methods.bbc import BBC
from quant.methods.biper import BiPer
from quant.methods.bireal import BiReal
from quant.methods.bnn import BNN
from quant.methods.ctmq import CTMQ
from quant.methods.dorefa import DoReFa
from quant.methods.e2fif import E2FIF
from quant.methods.fda import FDA
from quant.methods.flw import FLW
from quant.methods.ftbnn import FTBNN
from quant.methods.irnet import IRNet
from quant.methods.nam import NAM
from quant.methods.react import ReAct
from quant.methods.recu import ReCU
from quant.methods.repairs import Repairs
from quant.methods.xnor import XNOR
from quant.methods.xnorplusplus import XNORPlusPlus
from quant.user_files import attribute_of

__all__ = ["METHODS", "load"]

_ALL: tuple[type[Method], ...] = (
    *(BNN, XNOR, DoReFa, BiReal, IRNet, ReAct, ReCU, FDA, XNORPlusPlus),
    *(BiPer, BBC, FLW, FTBNN, E2FIF, CTMQ, NAM, Repairs),
)
#: The methods that come with the package, by name.
METHODS: dict[str, type[Method]] = {method.__name__.lower(): method for method in _ALL}


def load(name: str, options: dict[str, Any] | None = None) -> Method:
    """Return a method by its name, or by file and class as in ``my_methods.py:Mine``.

    Parameters
    ----------
    options : values for its constants

    Raises
    ------
    InputError
        There is no such method, its file cannot be run, or a constant is unknown, of another type or out of range.
    """
    kind = _own(name) if ":" in name else METHODS[require_known("Method", name, tuple(METHODS))]
    known = {field.name: field for field in fields(kind)}
    for key, value in (options or {}).items():
        require_known(f"Option of method {name!r}", key, tuple(known))
        default = known[key].default
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            continue
        if type(value) is not type(default):
            raise InputError(f"{key} of method {name!r} must be a {type(default).__name__}, not {value!r}")
    try:
        return kind(**(options or {}))
    except InputError:
        raise
    except Exception as error:
        if ":" not in name:
            raise
        raise InputError(
            f"Method {name!r} must take its constants, not end in {type(error).__name__}: {error}"
        ) from error


def _own(name: str) -> type[Method]:
    """Return the class of a user's file."""
    found = attribute_of("Method", name)
    # A class that is not decorated itself has the fields of the one it derives from, and none of its own.
    if not (isinstance(found, type) and issubclass(found, Method) and "__dataclass_fields__" in vars(found)):
        raise InputError(f"Class of method {name!r} must be a dataclass derived from quant.methods.Method")
    for each in fields(found):
        if each.default is MISSING:
            raise InputError(f"{each.name} of method {name!r} must have a default, a number or a text, not none")
    return found
