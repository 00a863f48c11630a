"""What is asked of a graph: a network that equals exact evaluation, or a sentence for each thing in its way."""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

import hwsim
from dataflow import InputError, Network
from quant.lowering import lower
from tests.quant.lowering import exact_shapes
from tests.quant.lowering.exact import Evaluation, best_classes
from tests.quant.lowering.exact_numbers import Numbers

__all__ = ["Outcome", "check", "check_refusal", "compare", "frames_of"]

_SENTENCE = re.compile(r"^([A-Z]|[a-z_]+ of node ).* must .+$", re.DOTALL)
_NOISE = ("Traceback", 'File "', " object at 0x", "<class", "numpy.", "np.", "Error:", "None")


@dataclass(frozen=True)
class Outcome:
    """What came of a graph.

    Parameters
    ----------
    network : what it was lowered to, or None
    refusal : why it was not
    """

    network: Network | None
    refusal: str = ""


def check(model: onnx.ModelProto, rng: np.random.Generator, **options: Any) -> Outcome:
    """Lower a model and compare it; whatever is wrong is raised, warnings too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            network = lower(model, outputs="both", **options)
        except InputError as error:
            check_refusal(str(error))
            return Outcome(None, str(error))
        compare(model, network, rng)
    return Outcome(network)


def check_refusal(text: str) -> None:
    """Assert that a text is one sentence for each blocker."""
    blockers = text.splitlines()
    assert blockers, "refusal without text"
    assert len(set(blockers)) == len(blockers), f"refusal with a doubled text: {text!r}"
    for blocker in blockers:
        assert _SENTENCE.match(blocker), f"refusal that is not 'Thing must be rule, not value': {blocker!r}"
        noise = [each for each in _NOISE if each in blocker]
        assert not noise, f"refusal with {noise}: {blocker!r}"
        assert len(blocker) < 1000, f"refusal with too many words: {blocker!r}"


def frames_of(network: Network, rng: np.random.Generator, *, count: int = 10) -> np.ndarray:
    """Return all frames if they are few, else extremes, random ones, and ones of few different numbers."""
    stream = network.inputs[0].stream
    low, high = stream.element.minimum, stream.element.maximum
    if (high - low + 1) ** stream.size <= 64:
        grid = np.indices((high - low + 1,) * stream.size).reshape(stream.size, -1).T
        return grid.reshape(-1, *stream.shape) + low
    frames = rng.integers(low, high + 1, (count, *stream.shape))
    frames[0], frames[1] = low, high
    for index in range(4, count, 2):
        frames[index] = rng.choice(rng.integers(low, high + 1, 3), stream.shape)
    middle = (low + high) // 2
    frames[2], frames[3] = rng.choice([middle, middle + 1], stream.shape), rng.choice([low, high], stream.shape)
    return frames


def compare(model: onnx.ModelProto, network: Network, rng: np.random.Generator) -> None:
    """Assert that a network gives the classes and scores of exact evaluation."""
    frames = frames_of(network, rng)
    evaluation = Evaluation(model, {**_given(model, network, frames)})
    packed, reference = (hwsim.predict(network, frames, engine=engine) for engine in ("packed", "reference"))
    np.testing.assert_array_equal(packed.predictions, reference.predictions, "packed and reference differ")
    np.testing.assert_array_equal(packed.scores, reference.scores, "packed and reference differ")
    output = evaluation.tensor(evaluation.output)
    output = output.move(lambda tops: np.broadcast_to(tops, (len(frames), *tops.shape[1:])))
    if _kind_of(model, evaluation.output) == "ArgMax":
        classes = output.tops.reshape(len(frames), -1)[:, 0].astype(np.int64)
    else:
        classes = best_classes(output)
    np.testing.assert_array_equal(packed.predictions, classes, "classes differ from exact evaluation")
    scores = evaluation.tensor(_scores_tensor(model, network))
    np.testing.assert_allclose(
        packed.scores,
        np.broadcast_to(scores.floats().reshape(len(scores.tops), -1), packed.scores.shape),
        rtol=1e-9,
        atol=1e-9,
        err_msg="scores differ from exact evaluation",
    )


def _producer(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto | None:
    return next((node for node in model.graph.node if tensor in node.output), None)


def _kind_of(model: onnx.ModelProto, tensor: str) -> str:
    node = _producer(model, tensor)
    while node is not None and node.op_type in {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"}:
        node = _producer(model, node.input[0])
    return node.op_type if node is not None else ""


def _scores_tensor(model: onnx.ModelProto, network: Network) -> str:
    """Return the tensor in front of all operators at the end that lowering has left out."""
    dropped = re.findall(r"(\w+) '", network.metadata.get("dropped", ""))
    tensor = model.graph.output[0].name
    while dropped:
        node = _producer(model, tensor)
        assert node is not None
        if node.op_type == dropped[-1]:
            dropped.pop()
        tensor = node.input[0]
    return tensor


def _given(model: onnx.ModelProto, network: Network, frames: np.ndarray) -> dict[str, Numbers]:
    """Return what the model computes from: its input, or the output of the Quant whose codes a frame holds."""
    stored = {tensor.name for tensor in model.graph.initializer}
    entry = next(value for value in model.graph.input if value.name not in stored)
    tensor_type = entry.type.tensor_type
    shape = [dim.dim_value or 1 for dim in tensor_type.shape.dim]
    arranged = _as_model(network, frames, shape)
    kind = network.metadata["input"]
    if kind == "uint8/255":
        return {entry.name: Numbers(arranged.astype(object), 255)}
    integers = Numbers(arranged.astype(object))
    if kind == "uint8" or tensor_type.elem_type not in _FLOATS:
        return {entry.name: integers}
    quant, way = _input_quant(model, entry.name)
    constants = Evaluation(model, {})
    for node in way:
        if node.op_type in exact_shapes.OPERATORS:
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            operands = [integers, *(constants.tensor(name) for name in node.input[1:])]
            integers = exact_shapes.OPERATORS[node.op_type](operands, attributes)
    scale, zero_point = (constants.tensor(name) for name in quant.input[1:3])
    return {quant.output[0]: (integers - zero_point) * scale}


_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


def _as_model(network: Network, frames: np.ndarray, shape: list[int]) -> np.ndarray:
    """Return frames as the model takes them: channels first where a frame has them last."""
    given = network.frame_shape or network.inputs[0].stream.shape
    frames = frames.reshape(len(frames), *given)
    if len(shape) > 2 and given == (*shape[2:], shape[1]):
        frames = np.moveaxis(frames, -1, 1)
    return frames.reshape(len(frames), *shape)


def _input_quant(model: onnx.ModelProto, entry: str) -> tuple[onnx.NodeProto, list[onnx.NodeProto]]:
    """Return the first Quant of several bits behind the input, and the nodes in front of it."""
    ways: dict[str, list[onnx.NodeProto]] = {entry: []}
    for node in model.graph.node:
        known = [ways[name] for name in node.input if name in ways]
        if known and node.op_type in {"Quant", "IntQuant"}:
            return node, known[0]
        ways |= {name: [*way, node] for way in known[:1] for name in node.output}
    raise AssertionError("frames of codes, but no Quant behind the input")
