"""The hardware of every node kind, one module each, and the FIFO between them."""

from rtl.components._component import NodeComponent, component_of
from rtl.components.fifo import Fifo

__all__ = ["Fifo", "NodeComponent", "component_of"]
