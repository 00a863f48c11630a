"""Export to QONNX through Brevitas, with stable names and reproducible bytes.

Brevitas' exporter numbers its nodes, shares equal constants between layers and stores source paths of the machine.
This module names every node after its module, gives every reader a constant of its own, and drops those notes.
"""

import os
from collections import Counter
from importlib.metadata import version

import onnx
import torch
from torch import nn

from dataflow.writing import atomic_write, check_writable
from quant._exporter import export_qonnx
from quant.lowering.reading.module_names import names_by_module
from quant.methods import deployed

__all__ = ["export"]

_QONNX_INPUTS = {"BipolarQuant": ("x", "scale"), "Quant": ("x", "scale", "zeropt", "bitwidth")}


def export(network: nn.Module, frame_shape: tuple[int, ...], path: str | os.PathLike[str]) -> None:
    """Write a network as QONNX, for a batch of one frame, completely or not at all.

    Parameters
    ----------
    network : a network of named layers; its mode and weights are not changed. Binary layers of a method are exported
        as those of Brevitas that are left of them
    frame_shape : shape of a frame at the network's input, (channels, height, width)

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    check_writable(path, "Model")
    network = deployed(network)  # a copy: the export installs handlers, and may clip weights in place
    model = export_qonnx(network, args=torch.zeros(1, *frame_shape), verbose=False)
    _name_nodes(model.graph)
    _own_constants(model)
    _name_tensors(model.graph)
    _drop_notes(model)
    onnx.checker.check_model(model)
    with atomic_write(path, "Model") as part:
        part.write_bytes(model.SerializeToString(deterministic=True))


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Name each node after its module."""
    for node, name in zip(graph.node, names_by_module(graph.node), strict=True):
        node.name = name
    for name, count in Counter(node.name for node in graph.node).items():
        if count > 1:
            raise ValueError(f"Modules must be called so that no two nodes get the name {name!r}, not {count}")


def _own_constants(model: onnx.ModelProto) -> None:
    """Give each reader of a constant its own copy, named after the reader, and remove constants from the inputs."""
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    owned = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in constants:
                own = onnx.TensorProto()
                own.CopyFrom(constants[name])
                own.name = node.input[index] = f"{node.name}.{_input_name(node, index, opset)}"
                owned.append(own)
    inputs = [value for value in graph.input if value.name not in constants]
    values = [value for value in graph.value_info if value.name not in constants]
    for field, kept in ((graph.initializer, owned), (graph.input, inputs), (graph.value_info, values)):
        del field[:]
        field.extend(kept)


def _input_name(node: onnx.NodeProto, index: int, opset: int) -> str:
    if node.domain:
        return _QONNX_INPUTS[node.op_type][index]
    return str(onnx.defs.get_schema(node.op_type, opset).inputs[index].name)


def _name_tensors(graph: onnx.GraphProto) -> None:
    """Name the graph's ends input and output, and every other tensor after the node that writes it."""
    names = {graph.input[0].name: "input"}
    names |= {node.output[0]: f"{node.name}.out" for node in graph.node}
    names[graph.output[0].name] = "output"
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names[value.name]


def _drop_notes(model: onnx.ModelProto) -> None:
    graph = model.graph
    notes = [model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info]
    for part in notes:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.producer_name, model.producer_version = "brevitas", version("brevitas")
