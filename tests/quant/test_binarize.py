"""Networks of plain torch layers that are made binary."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant.binarize import binarize
from quant.methods import BinaryConv2d, BinarySign, binary_layers, deployed, shared_of
from quant.methods import load as method_of
from quant.methods._apart import Apart

pytestmark = pytest.mark.train


class Network(nn.Module):
    """A network as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.body = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
                norm=nn.BatchNorm2d(6),
                relu=nn.ReLU(),
            )
        )
        self.around = nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.around(self.body(self.stem(images)))
        scores: Tensor = self.head(features.mean((2, 3)))
        return scores


def test_layers_become_binary_and_a_report_says_which() -> None:
    network = Network()
    changes = binarize(network, method_of("bireal"), keep=["stem*"])
    assert [str(change) for change in changes] == [
        "stem.0 (Conv2d): kept, named to be kept, with weights of 8 bits",
        "body.conv (Conv2d): binary",
        "body.relu (ReLU): kept, as a hard tanh: signs after a ReLU are all +1",
        "around (Conv2d): kept, its padding is 'circular', not zeros",
        "head (Linear): binary",
    ]
    layer: Any = network.body.conv.layer
    assert isinstance(layer, BinaryConv2d)
    assert (layer.stride, layer.padding, layer.dilation, layer.groups) == ((2, 2), (1, 1), (2, 2), 2)
    assert isinstance(network.body.conv.sign, BinarySign)
    assert len({id(each.shared) for each in binary_layers(network)}) == 1
    assert shared_of(network).method == method_of("bireal")


def test_a_method_may_change_the_network() -> None:
    """FLW's second run has normalizations of its own, of which nothing is left at inference."""
    network = Network()
    binarize(network, method_of("flw", {"wiring": "twice"}), keep=["stem*"])
    assert [isinstance(each, Apart) for each in (network.stem[1], network.body.norm)] == [True, True]
    final = deployed(network)
    assert not any(isinstance(module, Apart) for module in final.modules())
    images = torch.rand(2, 3, 9, 9)
    assert torch.equal(network.eval()(images), final(images))


def test_values_are_those_of_signs_and_the_bias() -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(5, 3))
    bias = dense[0].bias.detach().clone()
    binarize(dense)
    inputs = torch.randn(4, 5)
    inputs[0, 0] = 0
    signs = [torch.where(each >= 0, 1.0, -1.0) for each in (inputs, dense[0].layer.weight)]
    with torch.no_grad():
        assert torch.equal(dense(inputs), F.linear(*signs) + bias)
        assert torch.equal(deployed(dense)(inputs), dense.eval()(inputs))


def test_gradients_reach_every_parameter() -> None:
    network = Network()
    binarize(network, method_of("react"), keep=["stem", "around"])
    network(torch.randn(8, 3, 12, 12)).square().sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in network.parameters())


def test_a_name_of_no_module_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Name of a module to keep must be one of the network's, not 'steam\*'$"):
        binarize(Network(), keep=["steam*"])
