"""What `quantize` compares: a model's own outputs in the form of the network's predictions."""

import numpy as np
import pytest

from hwsim import predict
from sim_tests.cases import dense_network, random_frames
from sim_tests.map_cases import map_network
from xnorflow.answers import answers_of, change_of, made_of


@pytest.mark.parametrize("outputs", ["scores", "class", "positions"])
@pytest.mark.parametrize("channels_first", [True, False])
def test_answers_of_several_positions(outputs: str, channels_first: bool) -> None:
    network = map_network(outputs, uneven=True)
    kind = made_of(network, network.every_head[0])
    assert kind == outputs
    found = predict(network, random_frames(network, 6))
    assert found.scores is not None
    planes = np.moveaxis(found.scores, -1, 1) if channels_first else found.scores
    planes = planes.reshape(6, -1)
    np.testing.assert_array_equal(answers_of(planes, planes, found, kind=kind), found.predictions)
    if outputs != "scores":  # of a model that ends in an ArgMax
        own = found.predictions.reshape(6, -1).astype(float)
        np.testing.assert_array_equal(answers_of(own, own, found, kind=kind), found.predictions)


@pytest.mark.parametrize("outputs", ["class", "scores", "bits"])
def test_answers_of_a_frame(outputs: str) -> None:
    network = dense_network((12, 6, 4), outputs=outputs)
    found = predict(network, random_frames(network, 6))
    kind = made_of(network, network.every_head[0])
    scores = found.scores if outputs != "bits" else found.predictions - 0.5
    assert scores is not None
    np.testing.assert_array_equal(answers_of(scores, scores, found, kind=kind), found.predictions)


@pytest.mark.parametrize(
    ("zero", "one", "middle"),
    [(-0.5, 0.5, 0.0), (0.2, 0.7, 0.5), (0.0, 1.0, None), (-0.5, 0.5, None), (2.0, -3.0, None)],
)
def test_bits_of_scores_and_of_a_quantizer(zero: float, one: float, middle: float | None) -> None:
    """Of scores the bit is on which side of 0, or of 1/2, they are; the numbers of a quantizer may be any two."""
    network = dense_network((12, 6, 4), outputs="bits")
    found = predict(network, random_frames(network, 6))
    after = np.where(found.predictions == 1, one, zero)
    before = after.copy()
    before[2, 1] = zero + one - before[2, 1]
    change = change_of(
        "flags", "bits", before, after, found, middle=middle, so_far=3.0, alone=True, labels=found.predictions
    )
    assert (change.changed, change.accuracy_after, change.so_far) == (1, 1.0, None)
    assert change.accuracy_before == pytest.approx(5 / 6)
