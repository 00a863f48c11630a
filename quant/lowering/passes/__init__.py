"""The passes, graph -> graph, in the order in which they run."""

from quant.lowering.passes.absorb_chains import absorb_chains
from quant.lowering.passes.drop_curves import drop_curves
from quant.lowering.passes.find_layers import find_layers
from quant.lowering.passes.flatten_order import flatten_order
from quant.lowering.passes.fold_constants import fold_constants
from quant.lowering.passes.settle_input import settle_input
from quant.lowering.passes.settle_scores import settle_scores

__all__ = [
    "PASSES",
    "absorb_chains",
    "drop_curves",
    "find_layers",
    "flatten_order",
    "fold_constants",
    "settle_input",
    "settle_scores",
]

PASSES = (fold_constants, find_layers, drop_curves, flatten_order, settle_input, absorb_chains, settle_scores)
