"""Predictions and scores."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from dataflow import (
    ArgMax,
    Fifo,
    InputError,
    Integer,
    MatrixVector,
    Network,
    Scores,
    Stream,
    Terminal,
    Threshold,
    fold,
    verify,
)
from hwsim import predict, reference
from hwsim.packed import network as network_of_tensors
from sim_tests.cases import CASES, Case, dense_network, random_frames

CASE_OF_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_engines_agree_and_scores_are_the_affine_of_the_sums(case: Case) -> None:
    network = case.network()
    frames = random_frames(network, 20)
    fast, slow = predict(network, frames), predict(network, frames, engine="reference")
    np.testing.assert_array_equal(fast.predictions, slow.predictions, strict=True)
    np.testing.assert_array_equal(fast.scores, slow.scores, strict=True)
    assert fast.predictions.dtype == np.int64
    if network.bits is not None:
        assert fast.predictions.shape == (20, case.sizes[-1])
        return
    assert fast.predictions.shape == (20,)
    assert network.scores is not None
    sums = reference.evaluate(network, frames)[network.fifos_out_of(network.scores.node)[0].name]
    assert (fast.scores == network.scores.scale * sums + network.scores.bias).all()
    assert (fast.predictions == fast.scores.argmax(axis=1)).all()


@pytest.mark.parametrize("engine", ["packed", "reference"])
def test_a_network_that_ends_in_bits_predicts_them(engine: Literal["packed", "reference"]) -> None:
    network = CASE_OF_NAME["bits"].network()
    frames = random_frames(network, 30)
    prediction = predict(network, frames, engine=engine)
    assert prediction.scores is None
    assert prediction.predictions.tolist() == reference.evaluate(network, frames)["fc1 -> bits"].tolist()
    assert 0 < prediction.predictions.mean() < 1


def test_bits_at_every_position_keep_the_shape_of_the_output() -> None:
    element, shape = Integer(8), (3, 2, 4)
    node = Threshold("sign", element, shape, np.array([10, 100, 128, 250]), pe=3)
    ends = Terminal("input", node.input_streams[0]), Terminal("bits", node.output_streams[0])
    fifos = (Fifo("input", "sign"), Fifo("sign", "bits"))
    network = verify(Network("map", (node,), fifos, ends[:1], ends[1:], shape))
    frames = random_frames(network, 6)
    prediction = predict(network, frames)
    assert network.bits is ends[1]
    assert prediction.scores is None
    assert (prediction.predictions == (frames >= node.thresholds)).all()


def test_bits_of_scores_are_their_signs() -> None:
    network = CASE_OF_NAME["signs"].network()
    assert network.scores is not None
    prediction = predict(network, random_frames(network, 30))
    assert prediction.scores is not None
    sums = (prediction.scores - network.scores.bias) / network.scores.scale
    assert (prediction.predictions == (sums >= 0)).all()


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    network = fold(dense_network((12, 6, 4)), {})
    frames = random_frames(network, 20)
    whole = predict(network, frames)
    monkeypatch.setattr(network_of_tensors, "block_bytes", 1)
    parts = predict(network, frames)
    np.testing.assert_array_equal(parts.predictions, whole.predictions, strict=True)
    np.testing.assert_array_equal(parts.scores, whole.scores, strict=True)


def tied() -> Network:
    """Return a network whose class 1 and 2 always have equal sums, and class 0 the opposite one."""
    weights = np.array([[-1, -1], [1, 1], [1, 1]], np.int8)
    network = dense_network((2, 3), outputs="class")
    nodes = tuple(replace(node, weights=weights) if isinstance(node, MatrixVector) else node for node in network.nodes)
    return fold(replace(network, nodes=nodes), {})


def test_tie_goes_to_the_lowest_index() -> None:
    frames = np.array([[255, 255], [0, 255], [0, 0]])  # sums -2 2 2, 0 0 0, 2 -2 -2
    assert predict(tied(), frames).predictions.tolist() == [1, 0, 0]
    assert predict(tied(), frames, engine="reference").predictions.tolist() == [1, 0, 0]


def test_tie_without_arg_max() -> None:
    network = without_arg_max(tied())
    frames = np.array([[255, 255], [0, 255], [0, 0]])
    assert predict(network, frames).predictions.tolist() == [1, 0, 0]


def without_arg_max(network: Network) -> Network:
    arg_max = next(node for node in network.nodes if isinstance(node, ArgMax))
    scores = network.fifos_into(arg_max.name)[0]
    return verify(
        replace(
            network,
            nodes=tuple(node for node in network.nodes if node is not arg_max),
            fifos=(*(f for f in network.fifos if arg_max.name not in (f.source, f.target)), Fifo(scores.source, "s")),
            outputs=(Terminal("s", Stream(arg_max.element, (arg_max.classes,))),),
        )
    )


def test_the_arg_max_decides_where_float_scores_tie() -> None:
    # Keys differ by less than float64's precision; the network compares integers.
    network = tied()
    big = 2**60
    nodes = tuple(
        replace(node, scale=np.array([big] * 3), offset=np.array([0, 0, 1])) if isinstance(node, ArgMax) else node
        for node in network.nodes
    )
    scores = Scores("fc0", np.full(3, float(big)), np.array([0.0, 0.0, 1.0]))
    prediction = predict(replace(network, nodes=nodes, scores=scores), np.array([[255, 255]]))
    assert prediction.predictions.tolist() == [2]
    assert prediction.scores.argmax() == 1


def test_network_with_a_class_only_gives_the_sums() -> None:
    network = replace(tied(), scores=None)
    result = predict(network, np.array([[255, 255], [0, 0]]))
    assert result.scores.tolist() == [[-2.0, 2.0, 2.0], [2.0, -2.0, -2.0]]
    assert result.predictions.tolist() == [1, 0]


def test_network_with_neither_is_refused() -> None:
    network = replace(without_arg_max(tied()), scores=None, name="net")
    with pytest.raises(
        InputError, match=r"^Network 'net' must have scores, an ArgMax or bits to predict, not none of them$"
    ):
        predict(network, np.array([[255, 255]]))


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Engine must be one of packed, reference, not 'gpu'$"):
        predict(tied(), np.array([[255, 255]]), engine="gpu")  # type: ignore[arg-type]


def test_no_frames_and_no_array_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Frames of network '.*' must be at least one, not 0$"):
        predict(tied(), np.zeros((0, 2), np.uint8))
    with pytest.raises(InputError, match=r"^Frames of network '.*' must have shape .*, not \(\)$"):
        predict(tied(), np.array(3))
