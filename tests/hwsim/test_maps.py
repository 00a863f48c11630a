"""Outputs at several positions, and several outputs: packed = reference, stepped = solved cycles, predictions."""

import numpy as np
import pytest

from hwsim import Stalls, packed, predict, random_stalls, reference, simulate
from hwsim.cycle import step_slowly
from sim_tests.cases import random_frames
from sim_tests.head_cases import HEAD_CASES, HeadCase, heads_network
from sim_tests.map_cases import MAP_CASES, MapCase, map_network

CASES = (*MAP_CASES, *HEAD_CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_packed_equals_reference(case: MapCase | HeadCase) -> None:
    network = case.network()
    frames = random_frames(network, 9)
    values, fast = reference.evaluate(network, frames), packed.evaluate(network, frames)
    assert values.keys() == fast.keys() == {fifo.name for fifo in network.fifos}
    for name, each in values.items():
        np.testing.assert_array_equal(each, fast[name], err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", [None, 5])
def test_solved_equals_stepped(case: MapCase | HeadCase, seed: int | None) -> None:
    network = case.network()
    stalls = None if seed is None else random_stalls(network, seed)
    run, slow = simulate(network, 3, stalls=stalls, record=True), step_slowly(network, 3, stalls=stalls)
    for fifo in network.fifos:
        np.testing.assert_array_equal(run.writes[fifo.name], slow.writes[fifo.name])
        np.testing.assert_array_equal(run.reads[fifo.name], slow.reads[fifo.name])


def test_predictions_have_the_shape_of_the_scores() -> None:
    frames = random_frames(map_network("class"), 12)
    with_class, alone = (predict(map_network(kind, uneven=False), frames) for kind in ("class", "scores"))
    assert alone.scores is not None
    assert alone.scores.shape == (12, 4, 5, 3)
    np.testing.assert_array_equal(with_class.scores, alone.scores)
    assert with_class.predictions.shape == alone.predictions.shape == (12, 4, 5)
    np.testing.assert_array_equal(with_class.predictions, alone.scores.argmax(axis=3))
    np.testing.assert_array_equal(alone.predictions, with_class.predictions)
    positions = predict(map_network("positions"), frames).predictions
    np.testing.assert_array_equal(positions, alone.scores.reshape(12, 20, 3).argmax(axis=1))
    assert len(np.unique(positions)) > 5  # so that the comparison tells something
    assert predict(map_network("bits"), frames).predictions.shape == (12, 4, 5, 3)


def test_the_first_of_equal_scores() -> None:
    network = map_network("positions")
    node = network.node("arg_max")
    scores = np.zeros((2, *node.input_streams[0].shape), np.int64)
    scores[1, 2, 3, 0], scores[1, 3, 1, 0] = 2, 2
    (found,) = reference.apply(node, scores)
    assert found.tolist() == [[0, 0, 0], [2 * 5 + 3, 0, 0]]


def test_predictions_of_each_head() -> None:
    network = heads_network(("class", "map", "bits", "features"), exposed=(0,))
    frames = random_frames(network, 7)
    found = predict(network, frames)
    assert list(found.heads) == ["out0", "out1", "out2", "out3"]
    shapes = {name: (head.predictions.shape[1:], head.scores is not None) for name, head in found.heads.items()}
    assert shapes == {"out0": ((), True), "out1": ((3, 4), True), "out2": ((3,), False), "out3": ((3, 4, 4), False)}
    np.testing.assert_array_equal(found.predictions, found.heads["out0"].predictions)
    values = reference.evaluate(network, frames)
    head = network.heads[1].scores
    assert head is not None
    np.testing.assert_array_equal(found.heads["out1"].scores, values["head1 -> out1_scores"] * head.scale)
    slow = predict(network, frames, engine="reference")
    for name, each in found.heads.items():
        np.testing.assert_array_equal(each.predictions, slow.heads[name].predictions)


@pytest.mark.parametrize("case", HEAD_CASES, ids=str)
@pytest.mark.parametrize("which", [0, -1])
def test_a_stalled_output_stops_the_others_and_loses_nothing(case: HeadCase, which: int) -> None:
    """With one output shut for a long time the network stands, and goes on when it opens."""
    network = case.network()
    shut = np.zeros(40_000, bool)
    shut[3000:] = True
    late = simulate(network, 3, stalls=Stalls(outputs={network.outputs[which].name: shut}), record=True)
    free = simulate(network, 3, record=True)
    for end in network.outputs:
        (fifo,) = network.fifos_into(end.name)
        assert len(late.reads[fifo.name]) == len(free.reads[fifo.name]) == 3 * end.stream.beats
    (fifo,) = network.fifos_into(network.outputs[which].name)
    assert late.reads[fifo.name][0] == 3000
    assert late.total < free.total + 3100
