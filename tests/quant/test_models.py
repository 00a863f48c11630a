"""Models: layers by name, and the scalar normalization."""

from typing import Any

import pytest
import torch
from brevitas.nn import QuantLinear
from brevitas_examples.bnn_pynq.models.FC import FC
from brevitas_examples.bnn_pynq.models.tensor_norm import TensorNorm
from torch import nn

from quant import recipes
from quant.methods import BinaryLayer
from quant.models import PixelScale, ScoreNorm, build, dense

pytestmark = pytest.mark.train

NAMES = ["pixels", "binarize", "fc0", "norm0", "sign0", "fc1", "norm1", "sign1", "fc2", "scores"]


def test_a_dense_network_has_named_layers_of_the_given_sizes() -> None:
    network = dense((1, 4, 3), (7, 5), 2)
    assert [name for name, _ in network.named_children()] == NAMES
    layers = dict(network.named_children())
    assert [tuple(layers[name].weight.shape) for name in ("fc0", "fc1", "fc2")] == [(7, 12), (5, 7), (2, 5)]
    assert isinstance(layers["norm1"], nn.BatchNorm1d)
    assert network.eval()(torch.rand(6, 1, 4, 3)).shape == (6, 2)


@pytest.mark.parametrize(("pixel", "sign"), [(0, -1.0), (127, -1.0), (128, 1.0), (255, 1.0)])
def test_pixels_become_signs_at_the_middle(pixel: int, sign: float) -> None:
    network = dense((1, 1, 2), (2,), 2)
    frame = torch.full((1, 1, 1, 2), pixel / 255)
    assert network.binarize(network.pixels(frame)).tolist() == [[sign, sign]]


def trained_layers(network: nn.Module) -> list[Any]:
    kinds = (QuantLinear, BinaryLayer, nn.BatchNorm1d, TensorNorm, ScoreNorm)
    return [module for module in network.modules() if isinstance(module, kinds)]


@pytest.mark.parametrize(("name", "bits"), [("tfc-w1a1", (1, 1, 1)), ("tfc-w1a2", (1, 2, 2)), ("sfc-w2a2", (2, 2, 2))])
def test_scores_are_those_of_brevitas_own_networks(name: str, bits: tuple[int, int, int]) -> None:
    recipe = recipes.load(name)
    theirs = FC(10, *bits, 1, recipe.hidden).eval()
    ours = build(recipe, (1, 28, 28), 10).eval()
    generator = torch.Generator().manual_seed(2)
    for source, target in zip(trained_layers(theirs), trained_layers(ours), strict=True):
        for key, tensor in source.state_dict().items():
            if tensor.is_floating_point():
                low, high = (4.0, 20.0) if key == "running_var" else (-1.0, 1.0)
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))
        target.load_state_dict(source.state_dict())
    frames = torch.randint(0, 256, (20, 1, 28, 28), generator=generator) / 255
    with torch.no_grad():
        expected = theirs(frames)
        assert len(expected.unique()) > 10
        assert torch.equal(ours(frames), expected)


def test_layers_of_several_bits_are_called_quantize() -> None:
    names = [name for name, _ in dense((1, 2, 2), (3,), 2, activation_bits=2, input_bits=8).named_children()]
    assert names == ["pixels", "quantize", "fc0", "norm0", "quantize0", "fc1", "scores"]


def test_pixels_keep_channel_row_column_order() -> None:
    frame = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert PixelScale()(frame).tolist() == [[2.0 * value - 1 for value in range(12)]]


def test_scores_are_normalized_by_one_mean_and_variance() -> None:
    norm, scores = ScoreNorm(eps=0.0), torch.tensor([[0.0, 2.0], [4.0, 10.0]])
    outputs = norm(scores)
    assert outputs.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert outputs.var(unbiased=False).item() == pytest.approx(1.0)
    assert norm.running_mean.item() == pytest.approx(0.1 * 4)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * scores.var().item())


def test_evaluation_takes_the_running_moments_as_they_are() -> None:
    norm = ScoreNorm(eps=0.0).eval()
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    with torch.no_grad():
        norm.weight.fill_(3.0)
        norm.bias.fill_(0.5)
        assert norm(torch.tensor([[5.0, -1.0]])).tolist() == [[6.5, -2.5]]
    assert norm.running_mean.item() == 1.0
