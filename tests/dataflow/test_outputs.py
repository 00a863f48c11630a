"""Emitting the scores in addition to the class."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import Fifo, Fork, InputError, board_outputs, fold
from dataflow.outputs import expose_scores
from hwsim import reference, simulate
from sim_tests.cases import dense_network, random_frames

NETWORK = fold(dense_network((12, 6, 4)), {"fc0": {"pe": 2, "simd": 3}, "fc1": {"pe": 2}})


def test_scores_and_class_are_what_they_were() -> None:
    both = expose_scores(NETWORK)
    assert [terminal.name for terminal in both.outputs] == ["scores", "class"]
    frames = random_frames(NETWORK, 9)
    before, after = reference.evaluate(NETWORK, frames), reference.evaluate(both, frames)
    scores = NETWORK.fifos_out_of("fc1")[0].name
    np.testing.assert_array_equal(after["scores_fork -> scores"], before[scores])
    np.testing.assert_array_equal(after["arg_max -> class"], before["arg_max -> class"])


def test_foldings_stay_and_no_throughput_is_lost() -> None:
    both = expose_scores(NETWORK)
    assert [node for node in both.nodes if not isinstance(node, Fork)] == list(NETWORK.nodes)
    assert simulate(both, 1).interval == simulate(NETWORK, 1).interval == NETWORK.interval


def test_a_network_that_shows_them_already_stays() -> None:
    both = expose_scores(NETWORK)
    assert expose_scores(both) is both


def test_outputs_of_a_board() -> None:
    assert [terminal.name for terminal in board_outputs(NETWORK).outputs] == ["scores", "class"]
    bits = dense_network((12, 6, 4), outputs="bits")
    assert board_outputs(bits) is bits
    signs = dense_network((12, 6, 4), outputs="signs")
    assert board_outputs(signs) is signs


def test_scores_beside_bits() -> None:
    signs = dense_network((12, 6, 4), outputs="signs")
    fifos = [fifo for fifo in signs.fifos if "scores_fork" not in (fifo.source, fifo.target)]
    bare = replace(
        signs,
        nodes=tuple(node for node in signs.nodes if node.name != "scores_fork"),
        fifos=(*fifos, Fifo("fc1", "sign")),
        outputs=signs.outputs[1:],
    )
    frames = random_frames(bare, 9)
    whole = board_outputs(fold(bare, {}))
    assert [terminal.name for terminal in whole.outputs] == ["scores", "bits"]
    before, after = reference.evaluate(bare, frames), reference.evaluate(whole, frames)
    np.testing.assert_array_equal(after["scores_fork -> scores"], before["fc1 -> sign"])
    np.testing.assert_array_equal(after["sign -> bits"], before["sign -> bits"])


def test_a_taken_name_is_avoided() -> None:
    nodes = tuple(replace(node, name="scores_fork") if node.name == "fc0" else node for node in NETWORK.nodes)
    fifos = tuple(
        replace(
            fifo,
            source="scores_fork" if fifo.source == "fc0" else fifo.source,
            target="scores_fork" if fifo.target == "fc0" else fifo.target,
        )
        for fifo in NETWORK.fifos
    )
    both = expose_scores(replace(NETWORK, nodes=nodes, fifos=fifos))
    assert [node.name for node in both.nodes if isinstance(node, Fork)] == ["scores_fork_"]


def test_a_network_without_scores_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Network 'net' must have scores to emit them, not none$"):
        expose_scores(replace(NETWORK, scores=None, name="net"))
