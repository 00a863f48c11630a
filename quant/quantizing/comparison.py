"""What quantization changed: layer by layer, and in the outputs."""

from collections.abc import Sequence
from math import inf, log10

import numpy as np
import onnx

from quant.oracle import tensors_of_qonnx
from quant.quantizing.view import LAYERS, SIGNS, View, view_of

__all__ = ["drift_of", "middles_of", "outputs_of"]


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
    for run in zip(*runs, strict=True):
        for name in names:
            one, two = (values[name].astype(np.float64) for values in run)
            power[name] += float(np.square(one).sum())
            error[name] += float(np.square(one - two).sum())
    return {name: inf if error[name] == 0 else 10 * log10(max(power[name], 1e-300) / error[name]) for name in names}


def outputs_of(model: onnx.ModelProto, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a model for frames, (frames, numbers) each, by name, in the types of the model."""
    names = [output.name for output in model.graph.output]
    parts = list(tensors_of_qonnx(model, frames, names))
    return {name: np.concatenate([part[name] for part in parts]).reshape(len(frames), -1) for name in names}


def middles_of(model: onnx.ModelProto) -> dict[str, float | None]:
    """Return for each output the number from which on it is a bit of 1: 0, or 1/2 after a Sigmoid.

    None if the output has the two numbers of a quantizer of one bit: nothing here says which of them is 1.
    """
    view = view_of(model)
    return {output.name: _middle_of(view, output.name) for output in view.model.graph.output}


def _middle_of(view: View, tensor: str) -> float | None:
    while tensor in view.producers:
        node = view.producers[tensor]
        if _is_one_bit(view, node):
            return None
        if node.op_type in ("Sigmoid", "HardSigmoid"):
            return 0.5
        places = view.data_inputs(node)
        if len(places) != 1 or node.op_type in LAYERS:
            break
        tensor = node.input[places[0]]
    return 0.0


def _is_one_bit(view: View, node: onnx.NodeProto) -> bool:
    if node.op_type in ("Quant", "IntQuant"):
        return bool((view.constants.get(node.input[3], np.zeros(1)) == 1).all())
    if node.op_type == "MultiThreshold":
        return view.constants[node.input[1]].shape[-1] == 1
    return node.op_type in ("BipolarQuant", *SIGNS)
