"""The hardware of every node kind, and the FIFO between them."""

import dataflow
from rtl.components._component import NodeComponent
from rtl.components.arg_max import ArgMax
from rtl.components.fifo import Fifo
from rtl.components.fork import Fork
from rtl.components.held_vector import HeldVector
from rtl.components.matrix_vector import MatrixVector
from rtl.components.popcount import Popcount
from rtl.components.threshold import Threshold
from rtl.components.width_converter import WidthConverter

__all__ = [
    "COMPONENTS",
    "ArgMax",
    "Fifo",
    "Fork",
    "HeldVector",
    "MatrixVector",
    "NodeComponent",
    "Popcount",
    "Threshold",
    "WidthConverter",
    "component_of",
]

#: The component of each node kind.
COMPONENTS: dict[type[dataflow.Node], type[NodeComponent]] = {
    component.kind: component for component in (ArgMax, Fork, MatrixVector, Threshold, WidthConverter)
}


def component_of(node: dataflow.Node) -> NodeComponent:
    """Return the component of a node."""
    if type(node) not in COMPONENTS:
        kinds = ", ".join(kind.__name__ for kind in COMPONENTS)
        raise TypeError(
            f"Node {getattr(node, 'name', node)!r} must be of a kind with a component ({kinds}), not {type(node).__name__}"
        )
    return COMPONENTS[type(node)](node)
