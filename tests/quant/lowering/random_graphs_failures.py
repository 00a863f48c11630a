"""What goes wrong with a graph, in one line, and the smallest graph with which the same goes wrong."""

import re
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.quant.lowering.random_graphs_check import check

__all__ = ["described", "failure_of", "judged", "shrunk"]


def failure_of(model: onnx.ModelProto, seed: int, **options: Any) -> str:
    """Return what goes wrong and where, or nothing."""
    return judged(model, seed, **options)[1]


def judged(model: onnx.ModelProto, seed: int, **options: Any) -> tuple[bool, str]:
    """Return whether a model is lowered, and what goes wrong and where, or nothing."""
    try:
        outcome = check(model, np.random.default_rng(seed), **options)
    except Exception as error:  # whatever it is, it is what the test is about
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if re.search(r"/(quant|hwsim|dataflow)/", frame.filename)] or frames
        inside = [frame for frame in ours if "/tests/" not in frame.filename] or ours
        place = re.sub(r"^.*/(?=quant/|hwsim/|dataflow/|tests/)", "", inside[-1].filename)
        words = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        text = next((line for line in words if "differ" in line), words[0] if words else "")
        return False, f"{type(error).__name__} in {place}, {inside[-1].name}: {text}"
    return outcome.network is not None, ""


def _kind_of(failure: str) -> str:
    """Return a failure without names and numbers, which change as a graph shrinks."""
    return re.sub(r"'[^']*'|[-+]?[0-9.]+(e[-+]?[0-9]+)?", "", failure)


def shrunk(model: onnx.ModelProto, seed: int, **options: Any) -> onnx.ModelProto:
    """Return a graph with fewer nodes that fails in the same way."""
    kind = _kind_of(failure_of(model, seed, **options))
    shrinking = True
    while shrinking:
        shrinking = False
        for index in reversed(range(len(model.graph.node))):
            for change in _SMALLER:
                smaller = change(model, index) if index < len(model.graph.node) else None
                if smaller is not None and _kind_of(failure_of(smaller, seed, **options)) == kind:
                    model, shrinking = smaller, True
    return _without_unread(model)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())


def _ending_before(model: onnx.ModelProto, index: int) -> onnx.ModelProto | None:
    """Let the model end in what the node reads."""
    node = model.graph.node[index]
    if not node.input or len(model.graph.output) != 1 or model.graph.output[0].name not in node.output:
        return None
    smaller = _copy(model)
    smaller.graph.output[0].name = node.input[0]
    del smaller.graph.node[index]
    return smaller


def _without(model: onnx.ModelProto, index: int) -> onnx.ModelProto | None:
    """Let the readers of a node read what it reads."""
    smaller = _copy(model)
    node = smaller.graph.node[index]
    for reader in smaller.graph.node if node.input else ():
        for place, name in enumerate(reader.input):
            if name in node.output and name:
                reader.input[place] = node.input[0]
    del smaller.graph.node[index]
    return smaller


_SMALLER: tuple[Callable[[onnx.ModelProto, int], onnx.ModelProto | None], ...] = (_ending_before, _without)


def _without_unread(model: onnx.ModelProto) -> onnx.ModelProto:
    read = {name for node in model.graph.node for name in node.input} | {each.name for each in model.graph.output}
    smaller = _copy(model)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del smaller.graph.initializer[:]
    smaller.graph.initializer.extend(kept)
    return smaller


def described(model: onnx.ModelProto) -> str:
    """Return a graph as text, a line for each node, small constants with their numbers."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def shown(name: str) -> str:
        if name not in stored:
            return name or "-"
        values = stored[name]
        return f"{values.tolist()}" if values.size <= 4 else f"{values.dtype}{list(values.shape)}"

    opsets = ", ".join(f"{each.domain or 'onnx'} {each.version}" for each in model.opset_import)
    ends = [
        ", ".join(
            f"{value.name} {[each.dim_value or each.dim_param for each in value.type.tensor_type.shape.dim]}"
            for value in values
            if value.name not in stored
        )
        for values in (model.graph.input, model.graph.output)
    ]
    lines = [f"({opsets}) {ends[0]} -> {ends[1]}"]
    for node in model.graph.node:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        operands = ", ".join(map(shown, node.input))
        lines.append(f"  {', '.join(node.output)} = {node.op_type}({operands}) {attributes or ''}".rstrip())
    return "\n".join(lines)
