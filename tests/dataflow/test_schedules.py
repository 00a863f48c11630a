"""Token schedules: the beats that move in each step."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    ArgMax,
    Fork,
    Integer,
    MatrixVector,
    Node,
    Requantize,
    Stream,
    Threshold,
    WidthConverter,
)
from dataflow.nodes import popcount_stages


def marks(row: np.ndarray) -> str:
    """Return a text with an ``x`` for each step in which a beat moves."""
    return "".join("x" if moves else "." for moves in row)


def any_lanes(number: int) -> list[int]:
    return list(range(1, number + 1))


def matrix(neurons: int, synapses: int, pe: int, simd: int) -> MatrixVector:
    return MatrixVector("m", np.ones((neurons, synapses), np.int8), None, pe, simd)


def all_nodes() -> Iterator[Node]:
    """Yield nodes of every kind in every folding."""
    ones = np.ones(12, np.int64)
    unfolded = (
        matrix(6, 12, 1, 1),
        Threshold("t", Integer(8), (2, 12), np.array([3])),
        Requantize("r", Integer(2), (2, 12), Integer(3), table=np.arange(48).reshape(12, 4) % 8),
        ArgMax("a", Integer(8), ones, ones),
        Fork("f", BIPOLAR, (3, 12), 3),
    )
    for node in unfolded:
        for folding in node.foldings(any_lanes):
            yield node.folded(folding)
    for lanes_in in (1, 2, 3, 4, 5, 6, 7, 12):
        for lanes_out in (1, 2, 3, 4, 5, 6, 7, 12):
            yield WidthConverter(f"w{lanes_in}-{lanes_out}", BIPOLAR, (5, 12), lanes_in, lanes_out)


def numbers(moves: np.ndarray, stream: Stream) -> np.ndarray:
    """Return how many numbers have moved by the end of each step; inert lanes carry none."""
    beats = np.cumsum(moves)
    vectors, rest = beats // stream.vector_beats, beats % stream.vector_beats
    return vectors * stream.vector + rest * stream.lanes


@pytest.mark.long
@pytest.mark.parametrize("node", list(all_nodes()), ids=lambda node: f"{node.kind}-{node.name}-{node.folding}")
def test_a_frame_of_steps_moves_a_frame_of_beats(node: Node) -> None:
    schedule = node.schedule()
    assert schedule.consumes.shape == (len(node.input_streams), schedule.period)
    assert schedule.emits.shape == (len(node.output_streams), schedule.period)
    for ports, streams in ((schedule.consumes, node.input_streams), (schedule.emits, node.output_streams)):
        for row, stream in zip(ports, streams, strict=True):
            assert row.sum() * schedule.repeats == stream.beats
    # Nothing is emitted before it is consumed: the emitted share never exceeds the consumed one.
    for emits, out in zip(schedule.emits, node.output_streams, strict=True):
        for consumes, into in zip(schedule.consumes, node.input_streams, strict=True):
            given, taken = numbers(emits, out), numbers(consumes, into)
            assert (given * into.size <= taken * out.size).all()
    assert schedule.consumes[:, 0].any()
    assert 1 <= schedule.latency <= 63


def test_matrix_vector_holds_the_vector_for_the_other_groups() -> None:
    schedule = matrix(6, 12, 2, 4).schedule()
    assert marks(schedule.consumes[0]) == "xxx......"
    assert marks(schedule.emits[0]) == "..x..x..x"
    assert (schedule.period, schedule.repeats, schedule.steps) == (9, 1, 9)


def test_matrix_vector_fully_parallel_takes_a_vector_per_step() -> None:
    schedule = matrix(6, 12, 6, 12).schedule()
    assert (marks(schedule.consumes[0]), marks(schedule.emits[0]), schedule.steps) == ("x", "x", 1)


@pytest.mark.parametrize(
    ("simd", "stages"), [(1, 1), (6, 1), (7, 2), (18, 2), (19, 3), (54, 3), (55, 4), (162, 4), (163, 5)]
)
def test_popcount_counts_groups_of_six_then_sums_of_three(simd: int, stages: int) -> None:
    assert popcount_stages(simd) == stages
    assert matrix(1, simd, 1, simd).schedule().latency == stages + 3


@pytest.mark.parametrize(("pe", "latency"), [(1, 2), (2, 3), (3, 4), (4, 4), (6, 5), (12, 6)])
def test_arg_max_registers_a_tree_over_the_lanes(pe: int, latency: int) -> None:
    ones = np.ones(12, np.int64)
    schedule = ArgMax("a", Integer(8), ones, ones, pe).schedule()
    assert schedule.latency == latency
    assert marks(schedule.emits[0]) == "." * (12 // pe - 1) + "x"


@pytest.mark.parametrize(
    ("lanes_in", "lanes_out", "consumes", "emits"),
    [
        (1, 1, "x", "x"),
        (1, 3, "xxx", "..x"),
        (3, 1, "x..", "xxx"),
        (2, 3, "xxx", ".xx"),
        (3, 2, "xx.", "xxx"),
        (4, 6, "xxx", ".xx"),
        (5, 4, "xxx", "xxx"),  # 5, 5, 2 to 4, 4, 4
        (5, 9, "xxx", ".xx"),
        (7, 5, "xx.", "xxx"),
        (4, 5, "xxx.", ".xxx"),  # the last beat in belongs to two beats out
    ],
)
def test_width_converter(lanes_in: int, lanes_out: int, consumes: str, emits: str) -> None:
    schedule = WidthConverter("w", BIPOLAR, (12,), lanes_in, lanes_out).schedule()
    assert (marks(schedule.consumes[0]), marks(schedule.emits[0])) == (consumes, emits)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_width_converter_takes_the_beats_of_its_wider_rate(lanes_in: int, lanes_out: int, frames: int) -> None:
    common = np.lcm(lanes_in, lanes_out) * frames
    node = WidthConverter("w", BIPOLAR, (int(common),), lanes_in, lanes_out)
    assert node.schedule().steps == common // min(lanes_in, lanes_out)
    assert node.repacking.held.max() < lanes_in + lanes_out
