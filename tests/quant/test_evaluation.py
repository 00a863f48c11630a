"""Evaluation: ties, invalid frames, and networks that are not changed."""

import numpy as np
import pytest
import torch

from dataflow import InputError
from quant.evaluation import predictions, scores_of_network
from quant.models import dense

pytestmark = pytest.mark.train


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
