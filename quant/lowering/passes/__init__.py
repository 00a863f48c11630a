"""The passes, graph -> graph, in the order in which they run."""

from quant.lowering.passes.absorb_streams import absorb_streams
from quant.lowering.passes.cancel_differences import cancel_differences
from quant.lowering.passes.choose_output import choose_output
from quant.lowering.passes.drop_functions import drop_functions
from quant.lowering.passes.find_layers import find_layers
from quant.lowering.passes.flatten_order import flatten_order
from quant.lowering.passes.fold_selections import fold_selections
from quant.lowering.passes.fuse_thresholds import fuse_thresholds
from quant.lowering.passes.name_signs import name_signs
from quant.lowering.passes.saturate_sums import saturate_sums
from quant.lowering.passes.snap_weights import snap_weights
from quant.lowering.passes.type_operators import type_operators

__all__ = [
    "PASSES",
    "absorb_streams",
    "cancel_differences",
    "choose_output",
    "drop_functions",
    "find_layers",
    "flatten_order",
    "fold_selections",
    "fuse_thresholds",
    "name_signs",
    "saturate_sums",
    "snap_weights",
    "type_operators",
]

PASSES = (
    type_operators,
    cancel_differences,
    name_signs,
    find_layers,
    snap_weights,
    drop_functions,
    flatten_order,
    choose_output,
    absorb_streams,
    fold_selections,
    fuse_thresholds,
    saturate_sums,
)
