"""The node kinds of the description, one module each, and the one list of them.

A kind has the same name at every level, and `dataflow.kinds.implementation` uses it to find the module of a level.
"""

from dataflow.nodes._adder_graph import AdderGraph, Count, Difference, Result, Sum, adder_graph
from dataflow.nodes._adder_tree import AdderTree, Addition, adder_tree
from dataflow.nodes._buffered import BufferedNode, Loop
from dataflow.nodes._node import Node, divisors, useful_lanes
from dataflow.nodes._pool import PoolNode
from dataflow.nodes._popcount import popcount_group, popcount_stages
from dataflow.nodes._terms import Terms
from dataflow.nodes._window import WindowNode
from dataflow.nodes.add import Add
from dataflow.nodes.arg_max import ArgMax
from dataflow.nodes.concat import Concat
from dataflow.nodes.fork import Fork
from dataflow.nodes.matrix_vector import MatrixVector
from dataflow.nodes.max_pool import MaxPool
from dataflow.nodes.rearrange import Rearrange
from dataflow.nodes.requantize import Requantize
from dataflow.nodes.select import Select
from dataflow.nodes.sliding_window import SlidingWindow
from dataflow.nodes.spatial_arg_max import SpatialArgMax
from dataflow.nodes.sum_pool import SumPool
from dataflow.nodes.threshold import Threshold
from dataflow.nodes.width_converter import WidthConverter

#: All node kinds.
KINDS: tuple[type[Node], ...] = (
    Add,
    ArgMax,
    Concat,
    Fork,
    MatrixVector,
    MaxPool,
    Rearrange,
    Requantize,
    Select,
    SlidingWindow,
    SpatialArgMax,
    SumPool,
    Threshold,
    WidthConverter,
)

__all__ = [
    "KINDS",
    "Add",
    "AdderGraph",
    "AdderTree",
    "Addition",
    "ArgMax",
    "BufferedNode",
    "Concat",
    "Count",
    "Difference",
    "Fork",
    "Loop",
    "MatrixVector",
    "MaxPool",
    "Node",
    "PoolNode",
    "Rearrange",
    "Requantize",
    "Result",
    "Select",
    "SlidingWindow",
    "SpatialArgMax",
    "Sum",
    "SumPool",
    "Terms",
    "Threshold",
    "WidthConverter",
    "WindowNode",
    "adder_graph",
    "adder_tree",
    "divisors",
    "popcount_group",
    "popcount_stages",
    "useful_lanes",
]
