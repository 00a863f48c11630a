"""The hardware of every node kind, and the FIFO between them."""

import dataflow
from rtl.components._component import NodeComponent
from rtl.components.add import Add
from rtl.components.arg_max import ArgMax
from rtl.components.concat import Concat
from rtl.components.fifo import Fifo
from rtl.components.fork import Fork
from rtl.components.matrix_vector import MatrixVector
from rtl.components.max_pool import MaxPool
from rtl.components.sliding_window import SlidingWindow
from rtl.components.sum_pool import SumPool
from rtl.components.threshold import Threshold
from rtl.components.width_converter import WidthConverter

__all__ = [
    "COMPONENTS",
    "Add",
    "ArgMax",
    "Concat",
    "Fifo",
    "Fork",
    "MatrixVector",
    "MaxPool",
    "NodeComponent",
    "SlidingWindow",
    "SumPool",
    "Threshold",
    "WidthConverter",
    "component_of",
]

_ALL = (Add, ArgMax, Concat, Fork, MatrixVector, MaxPool, SlidingWindow, SumPool, Threshold, WidthConverter)

#: The component of each node kind.
COMPONENTS: dict[type[dataflow.Node], type[NodeComponent]] = {component.kind: component for component in _ALL}


def component_of(node: dataflow.Node) -> NodeComponent:
    """Return the component of a node."""
    component = COMPONENTS.get(type(node))
    if component is None:
        kinds = ", ".join(kind.__name__ for kind in COMPONENTS)
        raise TypeError(f"Node of a component must be one of {kinds}, not {type(node).__name__}")
    return component(node)
