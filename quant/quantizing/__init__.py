"""Quantizing what is float in a binary network, on request: stems, shortcuts and classifiers.

Lowering never rounds. Networks as their authors publish them often have float convolutions at the ends and float
streams between binary layers. `quantize` gives them Quant nodes where lowering needs them, and returns a QONNX model in
which they can be seen; that model is lowered exactly.
"""

from quant.quantizing._quantize import Inserted, Quantized, Settings, quantize
from quant.quantizing.calibration import RANGES
from quant.quantizing.writing import normalized

__all__ = ["RANGES", "Inserted", "Quantized", "Settings", "normalized", "quantize"]
