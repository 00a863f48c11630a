"""Evaluation: ties, invalid frames, and networks that are not changed."""

import numpy as np
import pytest
import torch
from torch import nn

from dataflow import InputError
from quant.evaluation import predictions, scores_of_network
from quant.models import dense
from quant.quantizers import grid_activation

pytestmark = pytest.mark.train

CHANNELS = 5000


def test_the_lowest_class_wins_a_tie() -> None:
    found = predictions(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, 1.0, 2.0]]))
    assert found.tolist() == [1, 0, 2]
    assert found.dtype == np.int64


def test_the_network_stays_as_it_is() -> None:
    network = dense((2, 3, 3), (4,), 3).train()
    with torch.no_grad():
        network.fc0.weight.fill_(2.0)
    scores_of_network(network, np.zeros((1, 3, 3, 2), np.uint8))
    assert network.training
    assert (network.fc0.weight == 2.0).all()


def test_batches_change_nothing() -> None:
    torch.manual_seed(0)
    network = dense((2, 3, 4), (5,), 3)
    frames = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 2), np.uint8)
    whole = scores_of_network(network, frames)
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(scores_of_network(network, frames, batch=2), whole)


class ManySums(nn.Module):
    """A pixel as the sum of many channels, which are normalized and rounded to codes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(CHANNELS)
        self.quantize = grid_activation(bits=8, step=2.0**-6)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        sums = torch.round(pixels.reshape(-1, 1) * 255).expand(-1, CHANNELS) - 128
        codes: torch.Tensor = self.quantize(self.norm(sums))
        return codes


def test_codes_are_those_of_exact_values() -> None:
    """Float32 would round some of them the other way; so would a network exported to QONNX in float32."""
    random = np.random.default_rng(0)
    network = ManySums()
    norm = network.norm
    mean, variance, weight, bias = (
        random.uniform(low, high, CHANNELS).astype(np.float32)
        for low, high in ((-9, 9), (99, 2500), (0.5, 1.5), (-1, 1))
    )
    with torch.no_grad():
        for target, values in zip(
            (norm.running_mean, norm.running_var, norm.weight, norm.bias), (mean, variance, weight, bias), strict=True
        ):
            target.copy_(torch.from_numpy(values))
    frames = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    found = scores_of_network(network, frames) * 64
    sums = np.arange(-128, 128).astype(np.longdouble)[:, None]
    wide = [values.astype(np.longdouble) for values in (mean, variance, weight, bias)]
    exact = (sums - wide[0]) / np.sqrt(wide[1] + np.longdouble(norm.eps)) * wide[2] + wide[3]
    np.testing.assert_array_equal(found, np.clip(np.rint(exact * 64), -128, 127))
    single = scores_of_network(network, frames, double=False) * 64
    assert 0 < np.count_nonzero(single != found) < 1000


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        (np.zeros((2, 28, 28), np.uint8), r"\(2, 28, 28\) uint8"),
        (np.zeros((2, 28, 28, 1)), r"\(2, 28, 28, 1\) float64"),
        (np.zeros((0, 28, 28, 1), np.uint8), r"\(0, 28, 28, 1\) uint8"),
    ],
)
def test_frames_of_another_kind_are_refused(frames: np.ndarray, what: str) -> None:
    rule = rf"^Frames must be \(frames, height, width, channels\) uint8, at least one, not {what}$"
    with pytest.raises(InputError, match=rule):
        scores_of_network(dense((1, 28, 28), (4,), 10), frames)
