"""Hardware in Amaranth: one component per node kind, the core that connects them, and Verilog.

Names are imported when they are first used: boards and costs need no Amaranth.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rtl._warnings import ignore_unused_components

if TYPE_CHECKING:
    from rtl.axi import AxiTop
    from rtl.core import Core, fifo_names
    from rtl.verilog_files import divided, top_name, verilog, write_verilog

__all__ = ["AxiTop", "Core", "divided", "fifo_names", "top_name", "verilog", "write_verilog"]

_MODULES = {"AxiTop": "rtl.axi", "Core": "rtl.core", "fifo_names": "rtl.core"}

ignore_unused_components()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "rtl.verilog_files")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
