"""What `quantize` compares: a model's own answers in the form of the network's predictions."""

import numpy as np
import pytest

from hwsim import predict
from sim_tests.cases import dense_network, random_frames
from sim_tests.map_cases import map_network
from xnorflow.quantization import _answers


@pytest.mark.parametrize("outputs", ["scores", "class", "positions"])
def test_answers_of_several_positions(outputs: str) -> None:
    network = map_network(outputs, uneven=True)
    found = predict(network, random_frames(network, 6))
    assert found.scores is not None
    planes = np.moveaxis(found.scores, -1, 1).reshape(6, -1)
    np.testing.assert_array_equal(_answers(planes, network, found), found.predictions)
    if outputs != "scores":  # of a model that ends in an ArgMax
        own = found.predictions.reshape(6, -1).astype(float)
        np.testing.assert_array_equal(_answers(own, network, found), found.predictions)


@pytest.mark.parametrize("outputs", ["class", "scores", "bits"])
def test_answers_of_a_frame(outputs: str) -> None:
    network = dense_network((12, 6, 4), outputs=outputs)
    found = predict(network, random_frames(network, 6))
    scores = found.scores if outputs != "bits" else found.predictions - 0.5
    assert scores is not None
    np.testing.assert_array_equal(_answers(scores, network, found), found.predictions)
