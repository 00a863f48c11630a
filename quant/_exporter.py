"""Brevitas' exporter, silent, and fast when it is called again."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import onnx
from onnxscript._framework_apis import torch_2_5
from torch import nn
from torch.onnx._internal._lazy_import import onnxscript_apis

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "fast_hadamard_transform", UserWarning)  # wanted for other networks
    from brevitas import export

from quant._logging import only_from

__all__ = ["export_qonnx"]


def export_qonnx(network: nn.Module, **options: Any) -> onnx.ModelProto:
    """Export a network as `brevitas.export.export_qonnx` does, with the same options."""
    with only_from(logging.ERROR, "torch.onnx"), _operators_read_once():  # it says that torchvision is missing
        model: onnx.ModelProto = export.export_qonnx(network, **options)
    return model


@contextmanager
def _operators_read_once() -> Iterator[None]:
    """Keep onnxscript's list of operators: for each export it parses their 500 sources again, which takes a second."""
    original = onnxscript_apis.get_torchlib_ops
    onnxscript_apis.get_torchlib_ops = _operators
    try:
        yield
    finally:
        onnxscript_apis.get_torchlib_ops = original


@cache
def _operators() -> list[Any]:
    operators: list[Any] = torch_2_5.get_torchlib_ops()
    return operators
