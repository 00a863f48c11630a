"""Float outputs of a QONNX file, computed by independent implementations, for comparison with a lowered network.

Numbers are float64, since float32 rounds some sums to other codes than the exact values (`quant.evaluation`).
onnx's reference evaluator runs the graph, and the functions of the qonnx package run QONNX's own operators. (qonnx
itself runs a graph with one onnxruntime session per node, which fails as soon as the newest onnx writes a newer format
than onnxruntime reads.) No training package is imported.
"""

import os
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.intquant import int_quant

from dataflow import InputError
from quant._frames import planes_of

__all__ = ["scores_of_qonnx"]


class BipolarQuant(OpRun):
    """QONNX's BipolarQuant."""

    op_domain = "qonnx.custom_op.general"

    def _run(self, x: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray]:
        return (binary_quant(x, scale).astype(x.dtype),)


class Quant(OpRun):
    """QONNX's Quant."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero_point: np.ndarray,
        bit_width: np.ndarray,
        signed: int,
        narrow: int,
        rounding_mode: str,
    ) -> tuple[np.ndarray]:
        return (int_quant(x, scale, zero_point, bit_width, signed, narrow, rounding_mode).astype(x.dtype),)


def scores_of_qonnx(path: str | os.PathLike[str], frames: np.ndarray, *, batch: int = 1000) -> np.ndarray:
    """Run frames through a QONNX file.

    Parameters
    ----------
    path : a QONNX file with one input, whose first dimension is the batch
    frames : (frames, height, width, channels) uint8; the file takes ``pixel / 255``, rounded to float32, channels
        first or in any shape of as many numbers
    batch : frames at a time

    Returns
    -------
    scores : (frames, classes) float64
    """
    if not Path(path).is_file():
        raise InputError(f"QONNX file must exist, not {os.fspath(path)!r}")
    model = onnx.load(path)
    _free_batch(model.graph)
    _widen(model.graph)
    evaluator = ReferenceEvaluator(model, new_ops=[BipolarQuant, Quant])
    (source,) = (value for value in model.graph.input if value.name in evaluator.input_names)
    shape = [dimension.dim_value for dimension in source.type.tensor_type.shape.dim]
    scores = [
        evaluator.run(None, {source.name: planes.reshape(len(planes), *shape[1:]).astype(np.float64)})[0]
        for planes in planes_of(frames, batch)
    ]
    return np.concatenate(scores).astype(np.float64)


def _widen(graph: onnx.GraphProto) -> None:
    """Make all constants of float32 float64, with which the evaluator computes the rest."""
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _free_batch(graph: onnx.GraphProto) -> None:
    """Make Reshape keep the first dimension, which exporters write as 1 into the constants that it reads."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            values = onnx.numpy_helper.to_array(tensor).copy()
            if values[0] == 1:
                values[0] = -1 if -1 not in values else 0
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for node in graph.node:
        if node.op_type == "Reshape":
            del node.attribute[:]  # allowzero, its only attribute, gives 0 another meaning
