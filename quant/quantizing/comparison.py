"""What quantization changed: layer by layer, and in the scores."""

from collections.abc import Sequence
from math import inf, log10

import numpy as np
import onnx

from quant.oracle import tensors_of_qonnx

__all__ = ["drift_of", "scores_of"]


def drift_of(
    before: onnx.ModelProto, after: onnx.ModelProto, frames: np.ndarray, tensors: Sequence[str]
) -> dict[str, float]:
    """Return how far tensors of the quantized model are from those of the float one, each in its own run.

    Parameters
    ----------
    frames : (frames, height, width, channels) uint8
    tensors : names that both models have

    Returns
    -------
    ratios : of the squares of the float model's numbers to those of the differences, in dB, by tensor
    """
    power, error = dict.fromkeys(tensors, 0.0), dict.fromkeys(tensors, 0.0)
    names = list(tensors)
    if not names:
        return {}
    runs = (tensors_of_qonnx(model, frames, names) for model in (before, after))
    for one, two in zip(*runs, strict=True):
        for name in names:
            power[name] += float(np.square(one[name], dtype=np.float64).sum())
            error[name] += float(np.square(one[name] - two[name], dtype=np.float64).sum())
    return {name: inf if error[name] == 0 else 10 * log10(max(power[name], 1e-300) / error[name]) for name in names}


def scores_of(model: onnx.ModelProto, frames: np.ndarray) -> np.ndarray:
    """Return the output of a model for frames, (frames, scores), in the float type of the model."""
    output = model.graph.output[0].name
    parts = [values[output] for values in tensors_of_qonnx(model, frames, [output])]
    return np.concatenate(parts).reshape(len(frames), -1)
