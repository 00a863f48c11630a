"""Binary neural networks from Brevitas to FPGA bitstreams, proved equal at every step.

The steps are functions, which are imported when they are first used: `train`, `quantize`, `lower`, `load`, `fold`,
`simulate`, `verify`, `verilog`, `build`, `explore`.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xnorflow.functions import build, explore, fold, load, lower, quantize, simulate, train, verify, verilog

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "build",
    "explore",
    "fold",
    "load",
    "lower",
    "quantize",
    "simulate",
    "train",
    "verify",
    "verilog",
]

if "IPython" in sys.modules:  # a notebook shows pictures and tables
    from xnorflow.jupyter import register

    register()
    del register


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from xnorflow import functions

    return getattr(functions, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
