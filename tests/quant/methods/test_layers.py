"""Layers for training have the values and gradients of Brevitas' layers, which replace them at the end."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quant.binarizers import binary_activation, binary_convolution, binary_linear
from quant.methods import BNN, BinaryConv1d, BinaryConv2d, BinaryLinear, BinarySign, Shared, deployed

pytestmark = pytest.mark.train


def gradients(layer: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    """Return the outputs of a layer, and the gradients of its input and its weights for one that is random."""
    inputs = inputs.clone().requires_grad_()
    outputs = layer(inputs)
    outputs.backward(torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1)))
    return (outputs.detach(), inputs.grad, *(each.grad for each in layer.parameters()))


@pytest.mark.parametrize(
    ("theirs", "ours", "shape"),
    [
        (binary_linear(30, 7), BinaryLinear(30, 7, shared=Shared(BNN())), (5, 30)),
        (
            binary_convolution(4, 6, kernel=3, padding=1, stride=2),
            BinaryConv2d(4, 6, 3, padding=1, stride=2, shared=Shared(BNN())),
            (3, 4, 9, 8),
        ),
        (binary_activation(), BinarySign(shared=Shared(BNN())), (3, 4, 9, 8)),
    ],
    ids=["dense", "convolution", "sign"],
)
def test_values_and_gradients_are_those_of_brevitas(theirs: Any, ours: Any, shape: tuple[int, ...]) -> None:
    if hasattr(theirs, "weight"):
        with torch.no_grad():
            theirs.weight.clamp_(-1, 1)[0] = 0
            theirs.weight[1].fill_(1.0)
            theirs.weight[2].fill_(-1.0)
            ours.weight.copy_(theirs.weight)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    inputs.flatten()[:3] = torch.tensor([0.0, 1.0, -1.0])
    for found, expected in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda shared: BinaryLinear(30, 7, shared=shared), (5, 30)),
        (lambda shared: BinaryConv1d(4, 6, 3, dilation=2, groups=2, shared=shared), (5, 4, 12)),
        (lambda shared: BinaryConv2d(4, 6, (3, 2), padding=(1, 0), groups=2, shared=shared), (5, 4, 9, 8)),
        (lambda shared: BinaryConv2d(4, 6, 3, padding="same", dilation=2, shared=shared), (5, 4, 9, 8)),
    ],
    ids=["dense", "signal", "groups", "dilated"],
)
def test_what_is_deployed_is_what_was_trained(layer: Any, shape: tuple[int, ...]) -> None:
    network = nn.Sequential(BinarySign(shape[1], shared=Shared(BNN())), layer(Shared(BNN()))).eval()
    inputs = torch.randn(shape)
    with torch.no_grad():
        final = deployed(network)
        assert torch.equal(final(inputs), network(inputs))
    assert {type(module).__module__.partition(".")[0] for module in final} == {"brevitas"}
    assert final[1].weight.unique().tolist() == [-1.0, 1.0]
