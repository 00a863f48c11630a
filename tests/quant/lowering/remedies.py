"""The remedies that refusals name, carried out on the model that is refused.

A refusal that has a remedy ends in a colon and what to do. `remedied` does it, as a person would with an editor for
graphs; the result must be lowered and be equal. A remedy that is refused in turn is a wrong sentence.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.quant.lowering.exact import Evaluation
from tests.quant.lowering.exact_numbers import Numbers
from tests.quant.lowering.oracle import QONNX

__all__ = ["Refused", "clause_of", "remedied"]

_QUANTIZERS = {"BipolarQuant", "Quant", "IntQuant", "Sign"}


def clause_of(sentence: str) -> str:
    """Return the remedy that a refusal names, or nothing."""
    found = re.search(r", not .*?: (?P<clause>[a-z].*)$", sentence) or re.search(r": (?P<clause>[a-z].*)$", sentence)
    return found["clause"] if found else ""


def remedied(model: onnx.ModelProto, refusal: str, options: dict[str, Any]) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the model with the remedy of each sentence of a refusal carried out, and the options for `lower`.

    Raises
    ------
    LookupError
        A sentence without a remedy, or with one that nobody has written here.
    """
    refused = Refused(model, options)
    for sentence in refusal.splitlines():
        remedy = next((each for pattern, each in REMEDIES.items() if re.search(pattern, sentence)), None)
        if remedy is None:
            raise LookupError(f"no remedy is known for: {sentence}")
        names = re.findall(r"'([^']*)'", sentence)
        remedy(refused, refused.named(names), sentence)
    return refused.model, refused.options


@dataclass
class Refused:
    """A model under repair.

    Parameters
    ----------
    model : a copy that is changed
    options : what `lower` is called with
    """

    model: onnx.ModelProto
    options: dict[str, Any]

    def __post_init__(self) -> None:
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        self.model, self.options = copy, dict(self.options)

    @property
    def nodes(self) -> Any:
        return self.model.graph.node

    def named(self, names: list[str]) -> onnx.NodeProto | None:
        """Return the first node that a sentence names."""
        return next((node for name in names for node in self.nodes if node.name == name), None)

    def constant(self, values: Any) -> str:
        name = f"remedy{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def stored(self, name: str) -> np.ndarray | None:
        found = next((each for each in self.model.graph.initializer if each.name == name), None)
        return None if found is None else np.array(numpy_helper.to_array(found))

    def store(self, name: str, values: np.ndarray) -> None:
        found = next(each for each in self.model.graph.initializer if each.name == name)
        found.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def moving(self) -> set[str]:
        """Return the tensors that depend on the input."""
        stored = {tensor.name for tensor in self.model.graph.initializer}
        moving = {value.name for value in self.model.graph.input} - stored
        for node in self.nodes:
            if moving.intersection(node.input):
                moving.update(node.output)
        return moving

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if tensor in node.input]

    def insert(self, node: onnx.NodeProto, index: int, kind: str, *parameters: Any, **attributes: Any) -> None:
        """Put an operator before one operand of a node."""
        source, output = node.input[index], f"before_{node.name}_{index}"
        domain = QONNX if kind in _QUANTIZERS else ""
        operands = [source, *map(self.constant, parameters)]
        node.input[index] = output
        place = list(self.nodes).index(node)
        self.nodes.insert(place, helper.make_node(kind, operands, [output], output, domain=domain, **attributes))

    def append(self, kind: str, **attributes: Any) -> None:
        """Put an operator after the output."""
        end = self.model.graph.output[0]
        self.nodes.append(helper.make_node(kind, [end.name], ["appended"], "appended", **attributes))
        end.name = "appended"

    def drop(self, node: onnx.NodeProto) -> None:
        """Take a node out; its readers read what it reads."""
        self.read_instead(node.output[0], node.input[0])
        self.nodes.remove(node)

    def read_instead(self, old: str, new: str) -> None:
        for reader in self.nodes:
            for index, name in enumerate(reader.input):
                if name == old:
                    reader.input[index] = new
        for end in self.model.graph.output:
            end.name = new if end.name == old else end.name

    def set_attribute(self, node: onnx.NodeProto, name: str, value: Any) -> None:
        for attribute in [each for each in node.attribute if each.name == name]:
            node.attribute.remove(attribute)
        if value is not None:
            node.attribute.append(helper.make_attribute(name, value))


Remedy = Callable[[Refused, Any, str], None]


def _sign_before(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    moving = refused.moving()
    for index, name in enumerate(list(node.input)):
        if name in moving:
            refused.insert(node, index, "BipolarQuant", np.float32(1.0))


def _codes(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.options["input_kind"] = "quant"


def _raw_pixels(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.options["input_kind"] = "uint8"


def _pool_after_quantizer(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Let a pool take the bits of the next quantizer."""
    tensor = node.output[0]
    while True:
        (reader,) = refused.readers(tensor)
        tensor = reader.output[0]
        if reader.op_type in _QUANTIZERS:
            break
    moved = onnx.NodeProto()
    moved.CopyFrom(node)
    refused.drop(node)
    place = list(refused.nodes).index(reader) + 1
    bits, pooled = reader.output[0], f"{reader.output[0]}_pooled"
    refused.read_instead(bits, pooled)
    moved.input[0], moved.output[0] = bits, pooled
    refused.nodes.insert(place, moved)


def _pool_after_layer(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Let what stands between a layer and its pool follow the pool."""
    way = [node]
    while way[-1].op_type not in {"Conv", "Gemm", "MatMul"}:
        way.append(next(each for each in refused.nodes if each.output[0] == way[-1].input[0]))
    bent, sums, pooled = way[1], way[-1].output[0], node.output[0]
    source = bent.output[0]
    refused.read_instead(pooled, source)
    first = way[-2]
    node.input[0] = sums
    first.input[list(first.input).index(sums)] = pooled
    moved = onnx.NodeProto.FromString(node.SerializeToString())
    refused.nodes.remove(node)
    refused.nodes.insert(list(refused.nodes).index(way[-1]) + 1, moved)


def _positive_scales(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    for each in refused.nodes:
        if each.op_type in {"BatchNormalization", "Mul", "BipolarQuant"}:
            for index in (1,) if each.op_type != "Mul" else range(2):
                values = refused.stored(each.input[index])
                if values is not None:
                    refused.store(each.input[index], np.abs(values))
        elif each.op_type == "Neg":
            each.op_type = "Identity"


def _left_out(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.drop(node)


def _piecewise_linear(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    node.op_type = {"Tanh": "Clip", "Sigmoid": "HardSigmoid"}.get(node.op_type, "Relu")
    if node.op_type == "Clip":
        node.input.extend([refused.constant(np.float32(-1)), refused.constant(np.float32(1))])


def _bipolar(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    node.op_type, node.domain = "BipolarQuant", QONNX
    node.input.append(refused.constant(np.float32(1.0)))


def _unmoved(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    output = refused.model.graph.output[0].name
    refused.drop(next(each for each in refused.nodes if output in each.output))


def _dense_after(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.append("Flatten")
    end = refused.model.graph.output[0]
    size = _shape_of(refused, end.name)[-1]
    weights = refused.constant(np.where(np.arange(2 * size).reshape(size, 2) % 3, 1, -1).astype(np.float32))
    refused.nodes.append(helper.make_node("MatMul", [end.name, weights], ["classes"], "classes"))
    end.name = "classes"


def _no_padding(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.set_attribute(node, "pads", None)
    refused.set_attribute(node, "auto_pad", None)


def _one_padding(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Put the pads of a Conv, of zeros, into the Pad before it."""
    pads = next(list(each.ints) for each in node.attribute if each.name == "pads")
    pad = next(each for each in refused.nodes if each.output[0] == node.input[0])
    sides = refused.stored(pad.input[1])
    assert sides is not None
    rank = len(pads) // 2
    refused.store(pad.input[1], sides + np.array([0, 0, *pads[:rank], 0, 0, *pads[rank:]], np.int64))
    refused.set_attribute(node, "pads", None)


def _constant_padding(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.set_attribute(node, "mode", "constant")


def _such_a_value(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Let a Pad put in the first of the numbers that a sentence allows."""
    found = re.search(r"binary input, ([-0-9.e]+) or", sentence)
    assert found is not None
    number = np.float32(found[1])
    if node.op_type == "Pad":
        refused.store(node.input[2], number)
        return
    pads = next(list(each.ints) for each in node.attribute if each.name == "pads")
    rank = len(pads) // 2
    refused.set_attribute(node, "pads", None)
    refused.insert(node, 0, "Pad", np.array([0, 0, *pads[:rank], 0, 0, *pads[rank:]], np.int64), number)


def _by_channel(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    for name in node.input:
        values = refused.stored(name)
        if values is not None and values.ndim > 2:
            refused.store(name, values[..., :1, :1])


def _one_frame(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def _evaluated(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Export after eval(): what only training does goes."""
    if node.op_type == "Dropout":
        del node.input[1:]
    refused.set_attribute(node, "training_mode", None)


def _only_rising(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    for each in refused.nodes:
        if each.op_type in {"Abs", "Pow", "HardSwish"}:
            each.op_type = "Relu"
            del each.input[1:]


def _only_add(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    node.op_type = "Add"


def _folded(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    values = Evaluation(refused.model, {}).tensor(node.output[0]).floats()[0]
    name = refused.constant(values.astype(np.float32))
    refused.read_instead(node.output[0], name)
    refused.nodes.remove(node)


def _written_pads(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.set_attribute(node, "auto_pad", "NOTSET")


def _rounded(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    for each in refused.nodes:
        if each.op_type in {"Mul", "Add"}:
            for name in each.input:
                values = refused.stored(name)
                if values is not None:
                    refused.store(name, np.round(values.astype(np.float64) * 16).astype(np.float32) / 16)


def _newer_opset(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    refused.model.opset_import[0].version = 13


def _binary_weights(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    moving = refused.moving()
    index = next(index for index in (0, 1) if node.input[index] not in moving)
    refused.insert(node, index, "BipolarQuant", np.float32(1.0))


def _one_bit(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Give the quantizer that a sentence names one bit."""
    names = re.findall(r"'([^']*)' \((?:Quant|IntQuant)\)", sentence)
    node = next(each for each in refused.nodes if each.name in names)
    node.op_type = "BipolarQuant"
    del node.input[2:]
    del node.attribute[:]


def _not_rearranged(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Take out what moves numbers before the last node that a sentence names."""
    node = [each for each in refused.nodes if repr(each.name) in sentence][-1]
    while (mover := next((each for each in refused.nodes if each.output[0] == node.input[0]), None)) is not None:
        if mover.op_type not in {"Reshape", "Transpose"}:
            break
        refused.drop(mover)


def _shape_of(refused: Refused, tensor: str) -> tuple[int, ...]:
    entry = refused.model.graph.input[0]
    sizes = [dim.dim_value or 1 for dim in entry.type.tensor_type.shape.dim]
    return Evaluation(refused.model, {entry.name: Numbers.of(np.zeros(sizes))}).tensor(tensor).shape


def _supported_operators(refused: Refused, node: onnx.NodeProto, sentence: str) -> None:
    """Write a node with operators of the documentation, or do without it."""
    if node.op_type == "ReduceMax":
        keep = next((each.i for each in node.attribute if each.name == "keepdims"), 1)
        node.op_type = "GlobalMaxPool"
        del node.attribute[:], node.input[1:]
        for reader in [] if keep else refused.readers(node.output[0]):
            refused.insert(reader, list(reader.input).index(node.output[0]), "Flatten")
    elif node.op_type == "ConvTranspose":
        node.op_type = "Conv"
    elif node.op_type == "Resize":
        for each in [each for each in refused.nodes if each.op_type == "MaxPool"]:
            refused.drop(each)
        refused.drop(node)
    else:
        refused.drop(node)


#: What to do, by the words of a sentence; the first that fits.
REMEDIES: dict[str, Remedy] = {
    r"use (input kind|--input) 'quant'|--input quant": _codes,
    r"use (input kind|--input) 'uint8'|--input uint8": _raw_pixels,
    r"share one quantizer, or one scale": _sign_before,
    r"use a BipolarQuant, or a Quant of one bit there": _one_bit,
    r"put a BipolarQuant.* before it": _sign_before,
    r"use one scale per tensor": _sign_before,
    r"\(MaxPool\).*(sums|numbers) .*: put it after a quantizer": _sign_before,
    r"\(MaxPool\) must (stand|have|pool).*: (pool bits|put it (directly )?after)": _pool_after_quantizer,
    r"\(AveragePool\).*: put it directly after the layer": _pool_after_layer,
    r"use positive scales": _positive_scales,
    r"leave it out of the exported model": _left_out,
    r"leave one of them out": _left_out,
    r"replace it by Clip \(HardTanh\), HardSigmoid or Relu": _piecewise_linear,
    r"use BipolarQuant, whose sign of 0 is \+1": _bipolar,
    r"not flattened or moved: leave out what moves them": _unmoved,
    r"put a dense layer after it": _dense_after,
    r"leave out its padding|or leave the padding out": _no_padding,
    r"put all padding into one of them": _one_padding,
    r"pad with one number": _constant_padding,
    r"train with such a value": _such_a_value,
    r"use one per channel": _by_channel,
    r"export one frame": _one_frame,
    r"export the model after eval": _evaluated,
    r"that only rise or only fall": _only_rising,
    r"only Add joins branches": _only_add,
    r"export the model with its constants folded": _folded,
    r"write its pads": _written_pads,
    r"round its scales": _rounded,
    r"Weights of .* must be binary.*: .*(quantize|BipolarQuant)": _binary_weights,
    r"must quantize to one bit.*: .*(BipolarQuant|one bit)": _one_bit,
    r"leave the shuffle out": _not_rearranged,
    r"must be one that lowering supports.*: ": _supported_operators,
    r"at least 9, not .*: export it again": _newer_opset,
}
