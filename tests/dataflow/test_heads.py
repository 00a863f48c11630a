"""Several heads: their file, their scores as outputs, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from dataflow import Head, InputError, Network, Scores, board_outputs, expose_scores, load, save_network, verify
from sim_tests.head_cases import heads_network
from sim_tests.map_cases import map_network

NETWORK = heads_network(("map", "class", "bits"))


def version_of(path: Path) -> int:
    with safe_open(path, framework="numpy") as file:
        return int(json.loads(file.metadata()["xnorflow"])["format_version"])


def test_files_keep_the_heads(tmp_path: Path) -> None:
    path = tmp_path / "net.xnf"
    save_network(NETWORK, path)
    loaded = load(path)
    assert version_of(path) == 6
    for head, other in zip(NETWORK.heads, loaded.heads, strict=True):
        assert (head.name, head.outputs) == (other.name, other.outputs)
        assert (head.scores is None) == (other.scores is None)
        if head.scores is not None and other.scores is not None:
            assert head.scores.node == other.scores.node
            np.testing.assert_array_equal(head.scores.scale, other.scores.scale)
            np.testing.assert_array_equal(head.scores.bias, other.scores.bias)


@pytest.mark.parametrize(("outputs", "version"), [("scores", 6), ("class", 6), ("positions", 6), ("bits", 1)])
def test_versions_of_outputs_at_positions(outputs: str, version: int, tmp_path: Path) -> None:
    save_network(map_network(outputs, scores=False), tmp_path / "net.xnf")
    assert version_of(tmp_path / "net.xnf") == version


def test_a_network_of_one_output_has_one_head() -> None:
    network = map_network("class")
    (head,) = network.every_head
    assert (head.name, head.outputs, head.scores) == ("", ("scores", "class"), network.scores)
    assert NETWORK.every_head is NETWORK.heads


def test_scores_of_each_head() -> None:
    names = ["out0_scores", "out1_class", "out2_bits"]
    assert [end.name for end in NETWORK.outputs] == names
    whole = board_outputs(NETWORK)
    assert [end.name for end in whole.outputs] == ["out0_scores", "out1_scores", "out1_class", "out2_bits"]
    assert [head.outputs for head in whole.heads] == [
        ("out0_scores",),
        ("out1_scores", "out1_class"),
        ("out2_bits",),
    ]
    assert expose_scores(whole, heads=["out0", "out1"]) is whole
    with pytest.raises(InputError, match=r"^Head 'out2' of network 'heads-map-class-bits' must have scores to emit"):
        expose_scores(NETWORK)
    with pytest.raises(InputError, match=r"^Head of network 'heads-map-class-bits' must be .*, not 'out9'"):
        expose_scores(NETWORK, heads=["out9"])


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda heads: heads[:1],
            "Heads of network 'net' must be several, with scores of their own, not 1",
        ),
        (
            lambda heads: (heads[0], replace(heads[1], name="out0"), heads[2]),
            "Name of a head of network 'net' must be unique, not 'out0'",
        ),
        (
            lambda heads: (*heads, Head("more", ())),
            "Head 'more' of network 'net' must have an output, not none",
        ),
        (
            lambda heads: heads[:2],
            "Outputs of network 'net' must each belong to one head, not be 'out0_scores', 'out1_class' of "
            "'out0_scores', 'out1_class', 'out2_bits'",
        ),
        (
            lambda heads: (replace(heads[0], scores=Scores("head9", ONES, ONES)), *heads[1:]),
            "Scores of network 'net' must come from one of its nodes, not 'head9'",
        ),
        (
            lambda heads: (replace(heads[0], scores=Scores("head0", ONES[1:], ONES)), *heads[1:]),
            r"Scores' scale must be 3 float64, not float64 \(2,\)",
        ),
    ],
)
def test_refusals(change: Callable[[tuple[Head, ...]], tuple[Head, ...]], sentence: str) -> None:
    broken = replace(NETWORK, name="net", heads=change(NETWORK.heads))
    with pytest.raises(InputError, match=rf"^{sentence}$"):
        verify(broken)


def test_scores_beside_heads_are_refused() -> None:
    both: Network = replace(NETWORK, name="net", scores=NETWORK.heads[0].scores)
    with pytest.raises(
        InputError,
        match=r"^Heads of network 'net' must be several, with scores of their own, not 3 beside those of the network$",
    ):
        verify(both)
