"""The .xnf file: one safetensors file, arrays as tensors, the structure as JSON in its header.

Reading it cannot run code. The header's entry ``xnorflow`` holds the structure and `format_version`, the oldest version
that has all features of the network. A reader refuses versions newer than its own.
"""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dataflow.elements import BIPOLAR, Bipolar, Element, Integer
from dataflow.errors import InputError
from dataflow.kinds import kind_named
from dataflow.network import Fifo, Head, Network, Scores, Terminal, verify
from dataflow.nodes import Node
from dataflow.streams import Stream
from dataflow.writing import atomic_write

__all__ = ["FORMAT_VERSION", "load", "save_network"]

FORMAT_VERSION = 7


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to `path`, completely or not at all.

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    tensors: dict[str, np.ndarray] = {}
    parts: list[Node | Terminal] = [*network.nodes, *network.inputs, *network.outputs]
    structure = {
        "format_version": max([1, *map(_version_of, parts), _version_of_heads(network)]),
        "name": network.name,
        "frame_shape": network.frame_shape,
        "inputs": [{"name": t.name, "stream": _stream_to_json(t.stream)} for t in network.inputs],
        "outputs": [{"name": t.name, "stream": _stream_to_json(t.stream)} for t in network.outputs],
        "nodes": [_node_to_json(node, tensors) for node in network.nodes],
        "fifos": [{field.name: getattr(fifo, field.name) for field in fields(Fifo)} for fifo in network.fifos],
        "scores": network.scores and _scores_to_json(network.scores, "scores", tensors),
        "metadata": dict(network.metadata),
    }
    if network.heads:
        structure["heads"] = [
            {
                "name": head.name,
                "outputs": head.outputs,
                "scores": head.scores and _scores_to_json(head.scores, f"heads.{index}", tensors),
            }
            for index, head in enumerate(network.heads)
        ]
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with atomic_write(path, "Network") as part:
        part.write_bytes(save(contiguous, metadata={"xnorflow": json.dumps(structure, sort_keys=True)}))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from an .xnf file and verify it.

    Raises
    ------
    InputError
        The file is missing, damaged, of a newer version, or its tensors disagree with its structure.
    """
    if not Path(path).is_file():
        raise InputError(f"Network file must exist, not {str(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("xnorflow")
            # Not `keys()`, which ruff's unsafe fix turns into an iteration over the file, and a file is not iterable.
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
        structure = json.loads(header) if header is not None else None
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Network file {str(path)!r} must be a complete .xnf file, not one with: {error}") from error
    except OSError as error:
        raise InputError(f"Network file {str(path)!r} must be readable, not: {error.strerror}") from error
    if not isinstance(structure, dict):
        raise InputError(f"Network file {str(path)!r} must be an .xnf file, not another safetensors file")
    version = structure.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise InputError(
            f"Format version of {str(path)!r} must be at most {FORMAT_VERSION}, not {version!r}: update xnorflow"
        )
    try:
        return verify(_network_of_json(structure, tensors))
    except InputError as error:
        raise InputError(f"Network file {str(path)!r} is inconsistent: {error}") from error
    except KeyError as error:
        raise InputError(f"Network file {str(path)!r} must have {error}, not lack it") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"Network file {str(path)!r} must hold the right kinds of values, not: {error}") from error


def _network_of_json(structure: dict[str, Any], tensors: dict[str, np.ndarray]) -> Network:
    tensors = dict(tensors)
    scores = _scores_of_json(structure["scores"], "scores", tensors)
    heads = tuple(
        Head(entry["name"], tuple(entry["outputs"]), _scores_of_json(entry["scores"], f"heads.{index}", tensors))
        for index, entry in enumerate(structure.get("heads", ()))
    )
    network = Network(
        name=structure["name"],
        nodes=tuple(_node_of_json(entry, tensors) for entry in structure["nodes"]),
        fifos=tuple(Fifo(**entry) for entry in structure["fifos"]),
        inputs=tuple(Terminal(entry["name"], _stream_of_json(entry["stream"])) for entry in structure["inputs"]),
        outputs=tuple(Terminal(entry["name"], _stream_of_json(entry["stream"])) for entry in structure["outputs"]),
        frame_shape=tuple(structure["frame_shape"]),
        scores=scores,
        metadata=dict(structure["metadata"]),
        heads=heads,
    )
    if tensors:
        raise InputError(f"Tensors must all belong to the structure, not {sorted(tensors)[0]!r}")
    return network


def _scores_to_json(scores: Scores, prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    tensors[f"{prefix}.scale"], tensors[f"{prefix}.bias"] = scores.scale, scores.bias
    return {"node": scores.node}


def _scores_of_json(entry: Any, prefix: str, tensors: dict[str, np.ndarray]) -> Scores | None:
    if entry is None:
        return None
    return Scores(entry["node"], tensors.pop(f"{prefix}.scale"), tensors.pop(f"{prefix}.bias"))


def _node_to_json(node: Node, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": node.kind}
    for name in node.stored_fields:
        value = getattr(node, name)
        if name in node.array_fields:
            entry[name] = None if value is None else f"{node.name}.{name}"
            if value is not None:
                tensors[f"{node.name}.{name}"] = value
        else:
            entry[name] = _field_to_json(value)
    return entry


def _version_of(part: Node | Terminal) -> int:
    """Return the oldest format version that has the kind and all stored fields of a node, or that has an end."""
    streams = (part.stream,) if isinstance(part, Terminal) else (*part.input_streams, *part.output_streams)
    version = 3 if any(stream.inert for stream in streams) else 1
    if isinstance(part, Terminal):
        return version
    return max([version, part.format_version, *(part.later_fields.get(name, 1) for name in part.stored_fields)])


def _version_of_heads(network: Network) -> int:
    """Return the oldest format version that has the heads: several, or scores at positions with factors by channel."""
    if network.heads:
        return 6
    if network.scores is None:
        return 1
    (stream, *_) = network.node(network.scores.node).output_streams
    return 6 if stream.size > stream.shape[-1] else 1


def _node_of_json(entry: dict[str, Any], tensors: dict[str, np.ndarray]) -> Node:
    entry = dict(entry)
    name = entry.pop("kind")
    kind = kind_named(name)
    if kind is None:
        raise InputError(f"Kind of node {entry.get('name')!r} must be one this version knows, not {name!r}")
    for field in kind.array_fields:
        if field in kind.later_fields and field not in entry:
            continue
        if entry[field] is not None:
            if entry[field] not in tensors:
                raise InputError(f"{field} of node {entry['name']!r} must be a tensor of the file, not missing")
            entry[field] = tensors.pop(entry[field])
    for each in fields(kind):
        if _holds_elements(each.type) and entry.get(each.name) is not None:
            entry[each.name] = _elements_of_json(entry[each.name])
    return kind(**{field: _tuples(value) for field, value in entry.items()})


def _tuples(value: Any) -> Any:
    """Return a field of JSON with tuples instead of lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _holds_elements(declared: object) -> bool:
    """Return whether a field of this type holds an element, or several."""
    return declared in (Bipolar, Integer) or any(map(_holds_elements, get_args(declared)))


def _stream_to_json(stream: Stream) -> dict[str, Any]:
    parts = {"parts": stream.parts} if stream.parts > 1 else {}
    return {"element": _element_to_json(stream.element), "shape": stream.shape, "lanes": stream.lanes, **parts}


def _stream_of_json(entry: dict[str, Any]) -> Stream:
    return Stream(_element_of_json(entry["element"]), tuple(entry["shape"]), entry["lanes"], entry.get("parts", 1))


def _field_to_json(value: Any) -> Any:
    """Return the JSON value of a field; an element becomes its text."""
    if isinstance(value, tuple):
        return [_field_to_json(each) for each in value]
    return _element_to_json(value) if isinstance(value, Bipolar | Integer) else value


def _element_to_json(element: Element) -> str:
    return str(element)


def _elements_of_json(text: Any) -> Element | tuple[Element, ...]:
    """Return the element or elements of a field."""
    return tuple(map(_element_of_json, text)) if isinstance(text, list) else _element_of_json(text)


def _element_of_json(text: str) -> Element:
    if text == "bipolar":
        return BIPOLAR
    signed = text.startswith("int")
    width = text.removeprefix("int" if signed else "uint")
    if not width.isdecimal():
        raise InputError(f"Element must be bipolar, intN or uintN, not {text!r}")
    return Integer(int(width), signed)
