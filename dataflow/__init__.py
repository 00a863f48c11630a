"""The description: element types, streams, nodes, network, schedules, folding, cost model, file format.

`quant` writes the description; `hwsim` and `rtl` read it. Numbers follow one convention, which is stated at the top of
`dataflow.elements`.
"""

from dataflow.cost import Cost, fifo_cost, network_cost, node_cost, weight_memory
from dataflow.elements import BIPOLAR, Bipolar, Element, Integer, integer_for, numbers_of, signed_for, unsigned_for
from dataflow.errors import InputError, ToolError
from dataflow.file import FORMAT_VERSION, load, save_network
from dataflow.folding import fold, fold_to_interval
from dataflow.network import Fifo, Head, Network, Scores, Terminal, verify
from dataflow.nodes import *  # noqa: F403 - the node kinds have one list, there
from dataflow.nodes import __all__ as _node_names
from dataflow.outputs import board_outputs, expose_scores
from dataflow.pipelining import is_pipelined, pipelined
from dataflow.schedule import Buffered, Schedule
from dataflow.streams import Stream, beats_of, frames_of, values_of_words, words_of
from dataflow.writing import atomic_write
from dataflow.zero_padding import PositionClasses, position_classes, zero_padded, zero_padding_offsets

__all__ = [
    "BIPOLAR",
    "FORMAT_VERSION",
    "Bipolar",
    "Buffered",
    "Cost",
    "Element",
    "Fifo",
    "Head",
    "InputError",
    "Integer",
    "Network",
    "PositionClasses",
    "Schedule",
    "Scores",
    "Stream",
    "Terminal",
    "ToolError",
    "atomic_write",
    "beats_of",
    "board_outputs",
    "expose_scores",
    "fifo_cost",
    "fold",
    "fold_to_interval",
    "frames_of",
    "integer_for",
    "is_pipelined",
    "load",
    "network_cost",
    "node_cost",
    "numbers_of",
    "pipelined",
    "position_classes",
    "save_network",
    "signed_for",
    "unsigned_for",
    "values_of_words",
    "verify",
    "weight_memory",
    "words_of",
    "zero_padded",
    "zero_padding_offsets",
    *_node_names,
]
