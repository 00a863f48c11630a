"""Showing the scores beside the class."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import Fork, InputError, fold
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
    with pytest.raises(InputError, match=r"^Network 'net' must have scores to show them, not none$"):
        expose_scores(replace(NETWORK, scores=None, name="net"))
