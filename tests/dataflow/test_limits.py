"""Files may say anything: what is too large to compute is refused before memory is taken for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Fifo, InputError, Network, Terminal, Threshold, fold, load, save_network, verify
from dataflow.elements import Integer
from dataflow.nodes import MaxPool, Node, WidthConverter
from sim_tests.cases import dense_network


def alone(node: Node) -> Network:
    return Network(
        "net",
        (node,),
        (Fifo("in", node.name), Fifo(node.name, "out")),
        (Terminal("in", node.input_streams[0]),),
        (Terminal("out", node.output_streams[0]),),
    )


def test_sizes_beyond_the_limits_are_refused() -> None:
    rule = r"at most 4,194,304 numbers per frame, not [0-9,]+ \(\$XNORFLOW_MOST_NUMBERS raises the limit\)"
    for size in (20_000, 10**9):
        with pytest.raises(InputError, match=rf"^Streams of 'pool' must have {rule}$"):
            MaxPool("pool", Integer(8), (size, size, 1), (2, 2))
    with pytest.raises(InputError, match=r"^Streams of 'pool' must have at most 4,194,304 numbers"):
        MaxPool("pool", Integer(8), (1000, 1000, 1), (400, 400))
    with pytest.raises(InputError, match=r"^Beats of 'in' must have at most 1,048,576 bits, not 1,600,000$"):
        verify(alone(Threshold("t", Integer(8), (200_000,), np.array([1]), 200_000)))


def test_the_limit_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    large = alone(Threshold("t", Integer(8), (2049, 2048, 1), np.array([1])))
    with pytest.raises(InputError, match=r"^Streams of 'in' must have at most 4,194,304 numbers"):
        verify(large)
    monkeypatch.setenv("XNORFLOW_MOST_NUMBERS", "5000000")
    assert verify(large) is large
    monkeypatch.setenv("XNORFLOW_MOST_NUMBERS", "many")
    with pytest.raises(InputError, match=r"^\$XNORFLOW_MOST_NUMBERS must be a number, not 'many'$"):
        verify(large)


def test_deep_fifos_are_refused() -> None:
    network = dense_network((8, 4))
    with pytest.raises(
        InputError, match=r"^Depth of FIFO 'input -> binarize' must be at most 4,194,304, not 10,000,000$"
    ):
        verify(network.with_depths({"input -> binarize": 10_000_000}))


@pytest.mark.parametrize("name", ["a\ud800", "a\x1b[0m", "a\nb", "a" * 1001])
def test_names_must_be_text(name: str) -> None:
    with pytest.raises(InputError, match=r"^Name must be text of at most 1000 characters without control characters"):
        verify(replace(dense_network((8, 4)), name=name))


def test_a_converter_between_two_ends_stays(tmp_path: Path) -> None:
    network = verify(alone(WidthConverter("w", Integer(8), (12,), 3, 4)))
    folded = fold(network, {})
    assert [node.name for node in folded.nodes] == ["w"]
    save_network(folded, tmp_path / "net.xnf")
    assert [node.name for node in load(tmp_path / "net.xnf").nodes] == ["w"]
