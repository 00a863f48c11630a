"""Lowering: QONNX to the XNOR-popcount description, exact by enumeration.

Between two integers there is, per channel, a function on a small range. It is not rewritten but evaluated over that
whole range in exact arithmetic, and stored as thresholds.

Only what is named here is public. Inside, `exact` has the arithmetic, `reading` the ONNX file and its operators,
`graph` what the passes work on, `streams` how a tensor becomes integers, `passes` the steps, `describing` the result.
"""

from quant.lowering._lower import lower
from quant.lowering.passes import PASSES
from quant.lowering.refusals import NotLowerableError

__all__ = ["PASSES", "NotLowerableError", "lower"]
