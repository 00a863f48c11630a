"""Lowering: QONNX to the XNOR-popcount description, exact by enumeration.

Between two integers there is, per channel, a function on a small range. It is not rewritten but evaluated over that
whole range in exact arithmetic, and stored as thresholds.
"""

from quant.lowering._lower import lower
from quant.lowering.passes import PASSES

__all__ = ["PASSES", "lower"]
