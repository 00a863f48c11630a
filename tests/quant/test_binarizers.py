"""Binarizers: the effect of the options in Brevitas, and the detection of a misspelt one."""

import pytest
import torch
from brevitas.core.restrict_val import RestrictValueType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import Int8WeightPerTensorFloat, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

from quant.binarizers import (
    BinaryActivation,
    FixedPointActivation,
    binary_activation,
    binary_convolution,
    binary_linear,
    check_binary,
    check_fixed_point,
    fixed_point_activation,
)

pytestmark = pytest.mark.train


class MisspeltWeight(SignedBinaryWeightPerTensorConst):
    """Its scale stays at Brevitas' default."""

    scaling_constant = 1.0


class WideActivation(SignedBinaryActPerTensorConst):
    """Its scale is 2."""

    min_val = -2.0
    max_val = 2.0


class NarrowInput(FixedPointActivation):
    """Its codes begin at -127."""

    narrow_range = True


class FourBits(FixedPointActivation):
    """Its codes are -8 to 7."""

    bit_width = 4


class LooseScale(FixedPointActivation):
    """Its scale is no power of two."""

    restrict_scaling_type = RestrictValueType.FP
    max_val = 1.5


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
            QuantConv2d(4, 2, 3, bias=False, weight_quant=MisspeltWeight),
            r"Scale of a binary QuantConv2d must be 1, not 0\.1",
        ),
        (
            QuantConv2d(4, 2, 3, bias=True, weight_quant=SignedBinaryWeightPerTensorConst),
            r"Bias of a binary QuantConv2d must be absent, not of 2 numbers",
        ),
        (
            QuantLinear(4, 2, bias=False, weight_quant=Int8WeightPerTensorFloat),
            r"Quantizer of a binary QuantLinear must be ClampedBinaryQuant, not RescalingIntQuant",
        ),
        (QuantIdentity(), r"Quantizer of a binary QuantIdentity must be ClampedBinaryQuant, not RescalingIntQuant"),
    ],
)
def test_layers_that_are_not_binary_are_refused(layer: QuantLinear | QuantConv2d | QuantIdentity, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^{rule}$"):
        check_binary(layer)


def test_checking_leaves_the_weights_alone() -> None:
    layer = binary_linear(4, 2)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    check_binary(layer)
    assert (layer.weight == 3.0).all()


def test_a_convolution_adds_signs_of_its_weights() -> None:
    layer = binary_convolution(2, 3, kernel=3, padding=1)
    images = torch.randint(0, 2, (4, 2, 5, 6)).float() * 2 - 1
    signs = torch.where(layer.weight >= 0, 1.0, -1.0)
    with torch.no_grad():
        assert torch.equal(layer(images), torch.nn.functional.conv2d(images, signs, padding=1))
    assert layer.weight.abs().max() <= 1
    assert layer.bias is None


def test_fixed_point_is_multiples_of_a_128th_with_ties_to_even() -> None:
    inputs = torch.tensor([-1.5, -1.0, -1.5 / 128, -0.5 / 128, 0.0, 0.5 / 128, 1.5 / 128, 2.5 / 128, 127 / 128, 1.0])
    codes = (fixed_point_activation()(inputs) * 128).tolist()
    assert codes == [-128.0, -128.0, -2.0, 0.0, 0.0, 0.0, 2.0, 2.0, 127.0, 127.0]


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (binary_activation(), r"Quantizer of a fixed-point layer must be RescalingIntQuant, not UnitBinaryQuant"),
        (QuantIdentity(act_quant=FourBits), r"Scale of a fixed-point layer must be 0\.0078125, not 0\.125"),
        (QuantIdentity(act_quant=LooseScale), r"Scale of a fixed-point layer must be 0\.0078125, not 0\.01\d*"),
        (
            QuantIdentity(act_quant=NarrowInput),
            r"Codes of a fixed-point layer must be -128 to 127 with ties to even, not \[-127\.0, .*\]",
        ),
    ],
)
def test_layers_that_are_not_fixed_point_are_refused(layer: QuantIdentity, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^{rule}$"):
        check_fixed_point(layer)


def test_the_gradient_is_that_of_brevitas() -> None:
    """At the bounds too: it passes at -1 and +1 and stops at the next numbers beyond them."""
    beyond = 1.0 + 2.0**-23
    values = torch.cat([torch.linspace(-2, 2, 401), torch.tensor([1.0, -1.0, beyond, -beyond, -0.0])])
    gradients = []
    for quantizer in (BinaryActivation, SignedBinaryActPerTensorConst):
        inputs = values.clone().requires_grad_()
        outputs = QuantIdentity(act_quant=quantizer)(inputs)
        outputs.backward(torch.arange(1.0, len(values) + 1))
        assert torch.equal(outputs, torch.where(values >= 0, 1.0, -1.0))
        gradients.append(inputs.grad)
    assert torch.equal(*gradients)
