"""What is asked of a graph: a network that equals exact evaluation, or a sentence for each thing in its way."""

import re
import warnings
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import onnx
import onnx.inliner

import hwsim
from dataflow import Head, InputError, Network
from hwsim import Prediction
from quant.lowering import lower
from tests.quant.lowering import exact_shapes
from tests.quant.lowering.exact import Evaluation, best_classes
from tests.quant.lowering.exact_numbers import Numbers

__all__ = ["Outcome", "check", "check_refusal", "compare", "compare_output", "frames_of"]

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
            network = lower(model, **options)
        except InputError as error:
            check_refusal(str(error))
            return Outcome(None, str(error))
        if "weights_changed" in network.metadata:
            return Outcome(network)  # equal to another model, on request
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


def frames_of(low: int, high: int, shape: tuple[int, ...], rng: np.random.Generator, *, count: int = 10) -> np.ndarray:
    """Return all frames if they are few, else extremes, random ones, and ones of few different numbers."""
    size = prod(shape)
    if (high - low + 1) ** size <= 64:
        grid = np.indices((high - low + 1,) * size).reshape(size, -1).T
        return grid.reshape(-1, *shape) + low
    frames = rng.integers(low, high + 1, (count, *shape))
    frames[0], frames[1] = low, high
    for index in range(4, count, 2):
        frames[index] = rng.choice(rng.integers(low, high + 1, 3), shape)
    middle = (low + high) // 2
    frames[2], frames[3] = rng.choice([middle, middle + 1], shape), rng.choice([low, high], shape)
    return frames


def compare(model: onnx.ModelProto, network: Network, rng: np.random.Generator) -> None:
    """Assert that a network gives the class or the bits, and the scores, of exact evaluation."""
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    entry = _Entry(model, network)
    frames = frames_of(*entry.range, network.inputs[0].stream.shape, rng)
    packed = hwsim.predict(network, frames)
    few = slice(None, None, max(1, len(frames) // 5))  # of the slow reference
    reference = hwsim.predict(network, frames[few], engine="reference")
    if not network.heads:
        compare_output(model, network, Evaluation(model, entry.given(frames)), packed, reference, few)
    assert list(packed.heads) == [head.name for head in network.heads]
    assert len(packed.heads) in {0, len(model.graph.output)}
    for index, head in enumerate(network.heads):
        alone, part = _of_output(model, index), _of_head(network, head)
        evaluation = Evaluation(alone, entry.given(frames))
        compare_output(alone, part, evaluation, packed.heads[head.name], reference.heads[head.name], few)


def _of_output(model: onnx.ModelProto, index: int) -> onnx.ModelProto:
    """Return a model with one of its outputs."""
    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    kept = alone.graph.output[index]
    del alone.graph.output[:]
    alone.graph.output.append(kept)
    return alone


def _of_head(network: Network, head: Head) -> Network:
    """Return a network that is asked for one of its heads only."""
    dropped = re.findall(rf"(?:^|; ){re.escape(head.name)}: ([^;]*)", network.metadata.get("dropped", ""))
    metadata = {**network.metadata, "dropped": ", ".join(dropped)}
    outputs = tuple(end for end in network.outputs if end.name in head.outputs)
    return replace(network, outputs=outputs, scores=head.scores, heads=(), metadata=metadata)


def compare_output(
    model: onnx.ModelProto,
    network: Network,
    evaluation: Evaluation,
    packed: Prediction,
    reference: Prediction,
    few: slice,
) -> None:
    """Assert that predictions of all frames, and those of the reference for a few, are what the model gives."""
    np.testing.assert_array_equal(packed.predictions[few], reference.predictions, "packed and reference differ")
    bits = network.bits is not None
    found = packed.predictions.reshape(len(packed.predictions), -1)
    expected = _bits(model, network, evaluation) if bits else _classes(model, network, evaluation)
    text = f"{'bits' if bits else 'classes'} differ from exact evaluation"
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape), text)
    if packed.scores is not None:
        np.testing.assert_array_equal(packed.scores[few], reference.scores, "packed and reference differ")
        scores = _scores(model, network, evaluation)
        wanted = np.broadcast_to(scores.floats().reshape(-1, *packed.scores.shape[1:]), packed.scores.shape)
        text = "scores differ from exact evaluation"
        np.testing.assert_allclose(packed.scores, wanted, rtol=1e-9, atol=1e-9, err_msg=text)


#: Scores of which the digits of a Tanh or Sigmoid at the end tell no difference.
_LARGE = 30.0


def _image(network: Network) -> tuple[int, ...]:
    """Return the (height, width, channels) of scores or bits at several positions; () of one."""
    stream = network.outputs[-1].stream
    if network.scores is not None:
        stream = network.node(network.scores.node).output_streams[0]
    return stream.shape if prod(stream.shape[:-1]) > 1 else ()


def _channels_last(model: onnx.ModelProto, tensor: str, image: tuple[int, ...], numbers: Numbers) -> Numbers:
    """Return numbers that lie as those of a tensor as (frames, numbers), or (frames, positions, channels)."""
    node = _producer(model, tensor)
    transposed = node is not None and node.op_type == "Transpose"

    def moved(tops: np.ndarray) -> np.ndarray:
        if not image:
            return tops.reshape(len(tops), -1)
        planes = tops[:, 0]  # the batch is 1
        if not transposed and planes.shape[1] == image[-1]:
            planes = np.moveaxis(planes, 1, -1)
        return planes.reshape(len(tops), -1, image[-1])

    return numbers.move(moved)


def _scores(model: onnx.ModelProto, network: Network, evaluation: Evaluation) -> Numbers:
    """Return the scores before all operators at the end that lowering has left out, channels last."""
    tensor = _scores_tensor(model, network)
    return _channels_last(model, tensor, _image(network), evaluation.tensor(tensor))


def _classes(model: onnx.ModelProto, network: Network, evaluation: Evaluation) -> np.ndarray:
    """Return (frames, answers) classes or positions, of which the model may make the index itself.

    Where only scores are asked for, predictions are classes, whatever the model chooses itself.
    """
    (fifo,) = network.fifos_into(network.outputs[-1].name)
    answers, last = network.node(fifo.source).answers, _scores_tensor(model, network)
    tensor, output = evaluation.output, evaluation.tensor(evaluation.output)
    if not answers or (last != tensor and np.abs(evaluation.tensor(last).floats()).max() > _LARGE):
        tensor = last
    elif _kind_of(model, evaluation.output) in {"ArgMax", "TopK"}:
        return output.tops.reshape(len(output.tops), -1).astype(np.int64)
    numbers, frames = _channels_last(model, tensor, _image(network), evaluation.tensor(tensor)), len(output.tops)
    if answers == "positions":
        numbers = numbers.move(lambda tops: np.moveaxis(tops, 1, 2))
    return best_classes(numbers.move(lambda tops: tops.reshape(-1, tops.shape[-1]))).reshape(frames, -1)


def _bits(model: onnx.ModelProto, network: Network, evaluation: Evaluation) -> np.ndarray:
    """Return (frames, count) bits: the greater number of the model's own last quantizer, or scores of at least 0."""
    node, between = _producer(model, evaluation.output), []
    while node is not None and node.op_type not in {*_QUANTIZERS, "Gemm", "MatMul", "Conv"}:
        between.append(node)
        dynamic = [name for name in node.input if name and len(evaluation.tensor(name).tops) > 1]
        node = _producer(model, dynamic[0]) if len(set(dynamic)) == 1 else None
    if node is not None and _is_one_bit(model, node) and len(evaluation.tensor(node.output[0]).tops) > 1:
        pools = [each.output[0] for each in between if each.op_type in {"MaxPool", "GlobalMaxPool"}]
        tensor = next(iter([*pools, node.output[0]]))
        greatest = Evaluation(model, {node.output[0]: _greatest_number(node, evaluation)})
        below = evaluation.tensor(tensor) - greatest.tensor(tensor)
        return _channels_last(model, tensor, _image(network), below).signs().reshape(len(below.tops), -1) == 0
    scores = _scores(model, network, evaluation)
    return (scores.signs() >= 0).reshape(len(scores.tops), -1)


def _greatest_number(node: onnx.NodeProto, evaluation: Evaluation) -> Numbers:
    """Return the greater of the two numbers of a quantizer of one bit, in the shape of its output."""
    given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    bipolar = node.op_type in {"BipolarQuant", "Sign"} or (node.op_type in _QUANTS and given.get("signed", 1))
    numbers = [Numbers.of(np.array(code)) for code in (-1 if bipolar else 0, 1)]
    if node.op_type in _QUANTS:
        numbers = [number - evaluation.tensor(node.input[2]) for number in numbers]
    if node.op_type in {*_QUANTS, "BipolarQuant"}:
        numbers = [number * evaluation.tensor(node.input[1]) for number in numbers]
    if node.op_type == "MultiThreshold":
        scale, bias = (
            Numbers.of(given.get(name, default)) for name, default in (("out_scale", 1.0), ("out_bias", 0.0))
        )
        numbers = [number * scale + bias for number in numbers]
    left, right, bottom = numbers[0].aligned(numbers[1])
    made = evaluation.tensor(node.output[0])
    return Numbers(np.maximum(left, right), bottom) + (made - made)


def _is_one_bit(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    if node.op_type == "MultiThreshold":
        return Evaluation(model, {}).tensor(node.input[1]).tops.shape[-1] == 1
    if node.op_type in _QUANTS:
        return Evaluation(model, {}).tensor(node.input[3]).integers() == [1]
    return node.op_type in _QUANTIZERS


_COMPARISONS = {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
_QUANTS = {"Quant", "IntQuant"}
_QUANTIZERS = {"BipolarQuant", *_QUANTS, "MultiThreshold", "Sign", *_COMPARISONS}


def _producer(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto | None:
    return next((node for node in model.graph.node if tensor in node.output), None)


def _kind_of(model: onnx.ModelProto, tensor: str) -> str:
    node = _producer(model, tensor)
    while node is not None and node.op_type in {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"}:
        node = _producer(model, node.input[0])
    return node.op_type if node is not None else ""


def _scores_tensor(model: onnx.ModelProto, network: Network) -> str:
    """Return the tensor before all operators at the end that lowering has left out."""
    dropped = re.findall(r"(\w+) '", network.metadata.get("dropped", ""))
    tensor = model.graph.output[0].name
    while dropped:
        node = _producer(model, tensor)
        assert node is not None
        if {"TopK": "ArgMax"}.get(node.op_type, node.op_type) == dropped[-1]:
            dropped.pop()
        tensor = node.input[0]
    return tensor


class _Entry:
    """What a frame of a network holds, and what that is in the model.

    Attributes
    ----------
    range : the least and the highest integer of a frame
    """

    def __init__(self, model: onnx.ModelProto, network: Network) -> None:
        self.model, self.network = model, network
        stored = {tensor.name for tensor in model.graph.initializer}
        self.value = next(value for value in model.graph.input if value.name not in stored)
        element = network.inputs[0].stream.element
        self.range = element.minimum, element.maximum
        self.quant = _input_quant(model, self.value.name) if network.metadata["input"] == "quant" else None
        if self.quant is not None:
            self.range = _codes_of(model, self.quant[0])

    def given(self, frames: np.ndarray) -> dict[str, Numbers]:
        """Return what the model computes from: its input, or the output of the Quant whose codes a frame holds."""
        shape = [dim.dim_value or 1 for dim in self.value.type.tensor_type.shape.dim]
        integers = Numbers(_as_model(self.network, frames, shape).astype(object))
        if self.network.metadata["input"] == "uint8/255":
            return {self.value.name: Numbers(integers.tops, 255)}
        if self.quant is None:
            return {self.value.name: integers}
        quant, way = self.quant
        image = integers  # what is left of the input itself is subtracted and added again, so any numbers do
        constants = Evaluation(self.model, {})
        for node in way:
            if node.op_type in exact_shapes.OPERATORS:
                attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
                operands = [integers, *(constants.tensor(name) for name in node.input[1:])]
                integers = exact_shapes.OPERATORS[node.op_type](operands, attributes)
        scale, zero_point = (constants.tensor(name) for name in quant.input[1:3])
        return {quant.output[0]: (integers - zero_point) * scale, self.value.name: image}


def _codes_of(model: onnx.ModelProto, quant: onnx.NodeProto) -> tuple[int, int]:
    """Return the least and the highest code of a Quant."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in quant.attribute}
    narrow = bool(attributes.get("narrow", 1))
    (bits,) = Evaluation(model, {}).tensor(quant.input[3]).integers()
    if attributes.get("signed", 1) and bits == 1:
        return -1, 1
    if attributes.get("signed", 1):
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def _as_model(network: Network, frames: np.ndarray, shape: list[int]) -> np.ndarray:
    """Return frames as the model takes them: channels first where a frame has them last."""
    given = network.frame_shape or network.inputs[0].stream.shape
    frames = frames.reshape(len(frames), *given)
    if len(shape) > 2 and given == (*shape[2:], shape[1]):
        frames = np.moveaxis(frames, -1, 1)
    return frames.reshape(len(frames), *shape)


def _input_quant(model: onnx.ModelProto, entry: str) -> tuple[onnx.NodeProto, list[onnx.NodeProto]] | None:
    """Return the first Quant of several bits after the input, and the nodes before it."""
    ways: dict[str, list[onnx.NodeProto]] = {entry: []}
    waiting = list(model.graph.node)
    while ready := [node for node in waiting if any(name in ways for name in node.input)]:  # in any order in the file
        for node in ready:
            waiting.remove(node)
            way = next(ways[name] for name in node.input if name in ways)
            if node.op_type in {"Quant", "IntQuant"} and not _is_one_bit(model, node):
                return node, way
            ways |= {name: [*way, node] for name in node.output}
    return None
