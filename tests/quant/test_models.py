"""Models: layers by name, and the scalar normalization."""

import pytest
import torch
from torch import nn

from quant.models import PixelScale, ScoreNorm, dense

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
