"""Binarizers: what Brevitas makes of the options, and that a misspelt one is noticed."""

import pytest
import torch
from brevitas.nn import QuantIdentity, QuantLinear
from brevitas.quant import Int8WeightPerTensorFloat, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

from quant.binarizers import binary_activation, binary_linear, check_binary


class MisspeltWeight(SignedBinaryWeightPerTensorConst):
    """Its scale stays at Brevitas' default."""

    scaling_constant = 1.0


class WideActivation(SignedBinaryActPerTensorConst):
    """Its scale is 2."""

    min_val = -2.0
    max_val = 2.0


def test_weights_are_signs_of_the_real_ones() -> None:
    layer = binary_linear(5, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-2.0, -0.1, -0.0, 0.0, 0.1]] * 3))
        totals = layer(torch.eye(5))
    assert totals.T.tolist() == [[-1.0, -1.0, 1.0, 1.0, 1.0]] * 3


def test_real_weights_start_within_the_window() -> None:
    weights = binary_linear(200, 100).weight
    assert weights.abs().max() <= 1
    assert abs(weights.mean()) < 0.02


def test_the_gradient_passes_within_the_window_only() -> None:
    inputs = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5], requires_grad=True)
    outputs = binary_activation()(inputs)
    outputs.sum().backward()
    assert outputs.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (
            QuantLinear(4, 2, bias=False, weight_quant=MisspeltWeight),
            r"Scale of a binary QuantLinear must be 1, not 0\.1",
        ),
        (QuantIdentity(act_quant=WideActivation), r"Scale of a binary QuantIdentity must be 1, not 2"),
        (
            QuantLinear(4, 2, bias=True, weight_quant=SignedBinaryWeightPerTensorConst),
            r"Bias of a binary QuantLinear must be absent, not of 2 numbers",
        ),
        (
            QuantLinear(4, 2, bias=False, weight_quant=Int8WeightPerTensorFloat),
            r"Quantizer of a binary QuantLinear must be ClampedBinaryQuant, not RescalingIntQuant",
        ),
        (QuantIdentity(), r"Quantizer of a binary QuantIdentity must be ClampedBinaryQuant, not RescalingIntQuant"),
    ],
)
def test_layers_that_are_not_binary_are_refused(layer: QuantLinear | QuantIdentity, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^{rule}$"):
        check_binary(layer)


def test_checking_leaves_the_weights_alone() -> None:
    layer = binary_linear(4, 2)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    check_binary(layer)
    assert (layer.weight == 3.0).all()
