"""Quantizers of several bits: what they round to, their gradients, and the detection of options without effect."""

import copy
import re

import pytest
import torch
from brevitas.core.quant import RescalingIntQuant
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import Int8WeightPerTensorFloat
from torch import Tensor

from quant.binarizers import FixedPointActivation, fixed_point_activation
from quant.quantizers import (
    ByteWeight,
    GridActivation,
    TernaryActivation,
    TernaryWeight,
    activation,
    check_grid,
    check_weights,
    convolution,
    grid_activation,
    linear,
    ternary_activation,
)

pytestmark = pytest.mark.train


class PlainTernaryActivation(TernaryActivation):
    """Computed by Brevitas' own functions."""

    tensor_quant = RescalingIntQuant


class PlainGridActivation(GridActivation):
    """Computed by Brevitas' own functions."""

    tensor_quant = RescalingIntQuant


class LooseTernary(TernaryActivation):
    """Its scale is 1/2, since the range has a fourth code."""

    narrow_range = False


class NarrowGrid(GridActivation):
    """Its codes begin at -127."""

    narrow_range = True


class TenthWeight(TernaryWeight):
    """Its scale is 0.1."""

    scaling_const = 0.1


class WideWeight(ByteWeight):
    """Its codes begin at -128."""

    narrow_range = False


def plain_grid(bits: int, step: float) -> QuantIdentity:
    low, high = -(2.0 ** (bits - 1)) * step, (2 ** (bits - 1) - 1) * step
    return QuantIdentity(act_quant=PlainGridActivation, bit_width=bits, min_val=low, max_val=high, narrow_range=False)


def grid_values(step: float) -> Tensor:
    """Return numbers between and on the codes and ties of a grid, and the floats next to the last ties."""
    around = torch.arange(-140, 141, dtype=torch.float32) / 2 + torch.tensor([[0.0], [0.25], [-(2.0**-20)], [2.0**-20]])
    wide = torch.tensor([-129.0, -128.75, -128.5, -128.25, -128.0, 127.0, 127.25, 127.5, 127.75, 128.0])
    ties = torch.tensor([-128.5, -8.5, -1.5, 1.5, 7.5, 127.5])
    beyond = [torch.nextafter(ties, torch.tensor(end)) for end in (-torch.inf, torch.inf)]
    return torch.cat([around.flatten(), wide, *beyond]) * step


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("ours", "theirs", "step"),
    [
        (ternary_activation(), QuantIdentity(act_quant=PlainTernaryActivation), 1.0),
        (grid_activation(bits=8, step=2.0**-6), plain_grid(8, 2.0**-6), 2.0**-6),
        (grid_activation(bits=4, step=0.5), plain_grid(4, 0.5), 0.5),
        (grid_activation(bits=2, step=2.0), plain_grid(2, 2.0), 2.0),
        (fixed_point_activation(), QuantIdentity(act_quant=FixedPointActivation), 2.0**-7),
    ],
)
def test_values_and_gradients_are_those_of_brevitas(
    ours: QuantIdentity, theirs: QuantIdentity, step: float, dtype: torch.dtype
) -> None:
    values = grid_values(step).to(dtype)
    outputs, gradients = [], []
    for layer in (ours, theirs):
        inputs = values.clone().requires_grad_()
        outputs.append(layer(inputs))
        outputs[-1].backward(torch.arange(1.0, len(values) + 1).to(dtype))
        gradients.append(inputs.grad)
    assert torch.equal(*outputs)
    assert torch.equal(*gradients)
    assert torch.equal(copy.deepcopy(ours).eval()(values), outputs[0])
    assert len(outputs[0].unique()) > 2
    assert set((gradients[0] == 0).tolist()) == {False, True}


def test_activations_of_2_bits_are_three_values() -> None:
    values = torch.tensor([-9.0, -0.75, -0.5, 0.0, 0.5, 0.75, 9.0])
    assert activation(2)(values).tolist() == [-1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    assert activation(1)(values).tolist() == [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]


def test_a_grid_has_the_codes_of_its_bits() -> None:
    layer = grid_activation(bits=3, step=0.25)
    assert layer(torch.linspace(-3, 3, 100)).unique().tolist() == [code / 4 for code in range(-4, 4)]


def test_weights_of_2_bits_are_rounded_and_clipped_in_place() -> None:
    layer = linear(7, 3, bits=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-3.0, -0.75, -0.5, 0.25, 0.5, 0.75, 3.0]] * 3))
        totals = layer(torch.eye(7))
    assert totals.T.tolist() == [[-1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0]] * 3
    assert layer.weight.abs().max() == 1


def test_the_gradient_of_a_weight_of_2_bits_is_that_of_its_code() -> None:
    layer = linear(3, 1, bits=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-3.0, 0.2, 0.9]]))
    layer(torch.tensor([[2.0, 3.0, 5.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 3.0, 5.0]]


def test_a_convolution_of_8_bits_has_a_power_of_two_for_each_filter() -> None:
    layer = convolution(2, 3, kernel=3, bits=8, padding=1, stride=2)
    with torch.no_grad():
        layer.weight.mul_(torch.tensor([1.0, 5.0, 30.0])[:, None, None, None])
    weights = layer.quant_weight()
    scales = weights.scale.flatten()
    assert len(scales.unique()) == 3
    assert torch.equal(scales.log2(), scales.log2().round())
    codes = (weights.value / weights.scale).detach()
    assert torch.equal(codes, torch.round(layer.weight.detach() / weights.scale.detach()))
    assert 63 < codes.abs().amax((1, 2, 3)).min() <= codes.abs().max() <= 127
    images = torch.randint(-128, 128, (2, 2, 5, 6)) / 128
    with torch.no_grad():
        expected = torch.nn.functional.conv2d(images, codes * weights.scale, stride=2, padding=1)
        assert torch.equal(layer(images), expected)


def test_a_dense_layer_of_8_bits_has_one_power_of_two() -> None:
    weights = linear(20, 5, bits=8).quant_weight()
    assert weights.scale.numel() == 1
    assert weights.scale.log2().item().is_integer()
    assert len(weights.value.unique()) > 20


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_layers_can_have_strides_and_padding(bits: int) -> None:
    layer = convolution(4, 6, kernel=3, bits=bits, padding=1, stride=2)
    assert layer(torch.ones(1, 4, 8, 6)).shape == (1, 6, 4, 3)
    assert layer.bias is None


@pytest.mark.parametrize(
    ("layer", "step", "least", "greatest", "rule"),
    [
        (QuantIdentity(), 1.0, -1, 1, "Quantizer of a grid must be GridQuant, not RescalingIntQuant"),
        (QuantIdentity(act_quant=LooseTernary), 1.0, -1, 1, "Step of a grid must be 1, not 0.5"),
        (
            QuantIdentity(act_quant=GridActivation, bit_width=4, min_val=-1.0, max_val=0.875),
            0.125,
            -8,
            6,
            "Codes of a grid must be -8 to 6 with ties to even, not [-8.0, -8.0, 0.0, 0.0, 6.0, 7.0]",
        ),
        (
            QuantIdentity(act_quant=NarrowGrid, min_val=-127 / 128, max_val=127 / 128),
            2.0**-7,
            -128,
            127,
            "Codes of a grid must be -128 to 127 with ties to even, not [-127.0, -127.0, 0.0, 0.0, 127.0, 127.0]",
        ),
    ],
)
def test_grids_that_are_others_are_refused(
    layer: QuantIdentity, step: float, least: int, greatest: int, rule: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(rule)}$"):
        check_grid(layer, step=step, least=least, greatest=greatest)


@pytest.mark.parametrize(
    ("layer", "bits", "rule"),
    [
        (
            QuantLinear(4, 2, bias=False, weight_quant=TenthWeight),
            2,
            r"Scales of the weights of a QuantLinear must be 1, not \[0\.10?\d*\]",
        ),
        (
            QuantConv2d(4, 2, 3, bias=False, weight_quant=Int8WeightPerTensorFloat),
            8,
            r"Scales of the weights of a QuantConv2d must be powers of two, not \[0\.\d+\]",
        ),
        (
            QuantLinear(4, 2, bias=False, weight_quant=WideWeight),
            8,
            r"Codes of the weights of a QuantLinear must be without the least one of 8 bits",
        ),
        (
            QuantLinear(4, 2, bias=False, weight_quant=TernaryWeight),
            8,
            r"Bit width of the weights of a QuantLinear must be 8, not 2",
        ),
        (
            QuantConv2d(4, 2, 3, bias=True, weight_quant=TernaryWeight),
            2,
            r"Bias of a QuantConv2d must be absent, not of 2 numbers",
        ),
    ],
)
def test_weights_that_are_others_are_refused(layer: QuantLinear | QuantConv2d, bits: int, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^{rule}$"):
        check_weights(layer, bits=bits)


def test_checking_leaves_the_weights_alone() -> None:
    layer = linear(4, 2, bits=2)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    check_weights(layer, bits=2)
    assert (layer.weight == 3.0).all()
