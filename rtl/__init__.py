"""Hardware in Amaranth: one component per node kind, the core that connects them, and Verilog."""

from rtl._warnings import ignore_unused_components
from rtl.axi import AxiTop
from rtl.core import Core, fifo_names
from rtl.verilog import divided, top_name, verilog, write_verilog

__all__ = ["AxiTop", "Core", "divided", "fifo_names", "top_name", "verilog", "write_verilog"]

ignore_unused_components()
