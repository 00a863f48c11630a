"""Attributes of a node against what its operator has: ONNX says it, and for QONNX's operators a table here does.

A wrong attribute is not only a mistake that would show: a MatMul with an `alpha` could be read with it or without.
"""

from collections.abc import Mapping
from functools import cache

import onnx
from onnx import AttributeProto

from dataflow import InputError

__all__ = ["check_attributes"]

_QUANT = {"signed": AttributeProto.INT, "narrow": AttributeProto.INT, "rounding_mode": AttributeProto.STRING}
_oldest = 7  #: before it Add and its like had `broadcast`, which would change what they mean
_COUNTED = {
    "data_layout": AttributeProto.STRING,
    "out_bias": AttributeProto.FLOAT,
    "out_dtype": AttributeProto.STRING,
    "out_scale": AttributeProto.FLOAT,
}
_QONNX: dict[str, Mapping[str, int]] = {
    "BipolarQuant": {},
    "IntQuant": _QUANT,
    "MultiThreshold": _COUNTED,
    "Quant": _QUANT,
    "Trunc": _QUANT,
}


def check_attributes(node: onnx.NodeProto, name: str, opset: int) -> None:
    """Refuse attributes that the operator does not have, or of another type, and required ones that are missing.

    An attribute of another opset is welcome: exporters write `axes` and `pads` in either way.

    Raises
    ------
    InputError
        Names the node and the attribute.
    """
    if node.op_type not in _QONNX and not onnx.defs.has(node.op_type):
        return  # refused as an operator
    known = _QONNX[node.op_type] if node.op_type in _QONNX else _types_of(node.op_type)
    for attribute in node.attribute:
        if attribute.name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise InputError(
                f"Attribute of node {name!r} must be one that {node.op_type} has ({allowed}), not {attribute.name!r}"
            )
        if attribute.type != known[attribute.name]:
            wanted, found = (_shown(each) for each in (known[attribute.name], attribute.type))
            raise InputError(
                f"Attribute {attribute.name!r} of node {name!r} ({node.op_type}) must be {wanted}, not {found}"
            )
    missing = _required(node.op_type, opset) - {attribute.name for attribute in node.attribute}
    if missing:
        raise InputError(f"Node {name!r} ({node.op_type}) must have attribute {min(missing)!r}, not leave it out")


@cache
def _types_of(kind: str) -> Mapping[str, int]:
    """Return the types of an operator's attributes in all opsets from `_oldest` on; nothing if it is none of ONNX's."""
    types: dict[str, int] = {}
    version = onnx.defs.onnx_opset_version()
    while version >= _oldest and onnx.defs.has(kind, version):
        schema = onnx.defs.get_schema(kind, version)
        types = {name: int(each.type.value) for name, each in schema.attributes.items()} | types
        version = schema.since_version - 1
    return types


def _required(kind: str, opset: int) -> set[str]:
    if not onnx.defs.has(kind, opset):
        return set()
    return {name for name, each in onnx.defs.get_schema(kind, opset).attributes.items() if each.required}


def _shown(kind: int) -> str:
    return str(AttributeProto.AttributeType.Name(kind)).lower()
