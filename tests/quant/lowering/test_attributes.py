"""Attributes that an operator does not have, or not so: refused, not guessed."""

import re
from typing import Any

import onnx
import pytest
from onnx import AttributeProto, TensorProto

from dataflow import InputError
from quant.lowering import lower
from tests.quant.lowering.oracle import Builder

W = [[1.0, -1.0, 1.0], [1.0, 1.0, 1.0]]


def model_with(kind: str, *operands: Any, **attributes: Any) -> onnx.ModelProto:
    net = Builder((1, 3))
    x = net("BipolarQuant", net.input, 1.0)
    return net.model(net(kind, x, *operands, name="odd", **attributes))


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("MatMul", {"alpha": 2.0}, "Attribute of node 'odd' must be one that MatMul has (none), not 'alpha'"),
        ("BipolarQuant", {"axis": 1}, "Attribute of node 'odd' must be one that BipolarQuant has (none), not 'axis'"),
        ("Flatten", {"axis": 1.0}, "Attribute 'axis' of node 'odd' (Flatten) must be int, not float"),
        ("Transpose", {"perm": "odd"}, "Attribute 'perm' of node 'odd' (Transpose) must be ints, not string"),
        ("Cast", {}, "Node 'odd' (Cast) must have attribute 'to', not leave it out"),
        ("Cast", {"to": -1}, "Node 'odd' (Cast) must cast to float or double, not type -1"),
        ("Cast", {"to": TensorProto.INT8}, "Node 'odd' (Cast) must cast to float or double, not int8"),
    ],
)
def test_attributes_that_do_not_fit(kind: str, attributes: dict[str, Any], message: str) -> None:
    operands = {"MatMul": ([[1.0], [1.0], [1.0]],), "BipolarQuant": (1.0,)}.get(kind, ())
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        lower(model_with(kind, *operands, **attributes))


def test_attribute_without_a_type() -> None:
    model = model_with("Nonsense")
    model.graph.node[-1].attribute.append(AttributeProto(name="open"))
    message = r"^Attribute 'open' of node 'odd' must have a type and a value, not neither$"
    with pytest.raises(InputError, match=message):
        lower(model)


def test_attributes_of_another_opset_are_read() -> None:
    """Clip had its bounds as attributes before opset 11; who writes them later means the same."""
    net = Builder((1, 3), opset=13)
    x = net("Clip", net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), min=-1.0, max=1.0)
    assert [node.name for node in lower(net.model(net.dense(x, W, name="fc"))).nodes][1] == "fc"


@pytest.mark.parametrize(("name", "found"), [("const0", "a constant"), ("nowhere", "missing")])
def test_output_that_no_node_makes(name: str, found: str) -> None:
    net = Builder((1, 3))
    net.dense(net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), W)
    with pytest.raises(InputError, match=f"^Output '{name}' of the model must be made by a node, not {found}$"):
        lower(net.model(name))


@pytest.mark.parametrize(
    ("pads", "value", "message"),
    [
        ([0.5] * 8, 0.0, "pads of node 'pad' (Pad) must be two integers for each of its axes, not give: "),
        ([1, 1, 1], 0.0, "pads of node 'pad' (Pad) must be two integers for each of its axes, not give: "),
        ([0, 0, 1, 0, 0, 0, 0, 0], [0.0, 1.0], "Value of node 'pad' (Pad) must be one number, not 2"),
    ],
)
def test_pads_that_do_not_fit(pads: list[float], value: Any, message: str) -> None:
    net = Builder((1, 1, 3, 3))
    x = net("Pad", net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), pads, value, name="pad")
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        lower(net.model(net.conv(x, [[[[1.0]]]])))


def test_weights_of_a_convolution_that_are_one_number() -> None:
    net = Builder((1, 1, 3, 3))
    message = r"^Weights of node 'conv' \(Conv\) must have 4 dimensions as its input has, not 0$"
    with pytest.raises(InputError, match=message):
        lower(net.model(net("Conv", net.input, 1.0, name="conv")))


@pytest.mark.parametrize("axes", [[2, 7], [2], [-1, 1]])
def test_axes_of_a_mean_that_are_not_all_pixels(axes: list[int]) -> None:
    """An axis that there is not, such as 7 of 4, is no other one."""
    net = Builder((1, 2, 3, 3), opset=13)
    scores = net.conv(net("BipolarQuant", net.input, 1.0), [[[[1.0]], [[-1.0]]]])
    message = f"Axes of node 'mean' (ReduceMean) must be all rows and columns of an image, (2, 3), not {tuple(axes)}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}(\n|$)"):
        lower(net.model(net("ReduceMean", scores, axes=axes, name="mean")))


def test_axes_of_a_mean_that_are_computed_or_left_out() -> None:
    net = Builder((1, 2, 3, 3))
    scores = net.conv(net("BipolarQuant", net.input, 1.0), [[[[1.0]], [[-1.0]]]])
    message = r"^Operand 'image' of node 'mean' \(ReduceMean\) must be a constant, not computed from the input$"
    with pytest.raises(InputError, match=message):
        lower(net.model(net("ReduceMean", scores, net.input, name="mean")))
    with pytest.raises(InputError, match=r"^Axes of node 'mean' \(ReduceMean\) must be all rows and columns "):
        lower(net.model(net("ReduceMean", scores, "", name="mean")))
