"""The reference compared with values computed by hand or by another formula."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import (
    ArgMax,
    Fork,
    Integer,
    MatrixVector,
    Threshold,
    WidthConverter,
    signed_for,
)
from hwsim import packed, reference
from hwsim.reference.arg_max import arg_max
from hwsim.reference.fork import fork
from hwsim.reference.matrix_vector import matrix_vector
from hwsim.reference.threshold import threshold
from hwsim.reference.width_converter import width_converter
from sim_tests.cases import CASES, Case, random_frames

WEIGHTS = np.array([[1, -1, 1], [-1, -1, -1]], np.int8)


def test_matrix_vector_sums_by_hand() -> None:
    # Signs (+1, -1, -1): 1 + 1 - 1 = 1 and -1 + 1 + 1 = 1; all +1: 1 - 1 + 1 = 1 and -3.
    y = matrix_vector(MatrixVector("m", WEIGHTS), np.array([[1, 0, 0], [1, 1, 1]]))
    assert y.tolist() == [[1, 1], [1, -3]]
    assert y.dtype == np.int64


def test_matrix_vector_tie_gives_one() -> None:
    x = np.array([[1, 0, 0]])  # two matches in either row
    assert matrix_vector(MatrixVector("m", WEIGHTS, np.array([2, 3])), x).tolist() == [[1, 0]]


def test_matrix_vector_thresholds_always_and_never_met() -> None:
    x = np.array([[0, 1, 0], [1, 0, 1]])  # no match, all match
    assert matrix_vector(MatrixVector("m", WEIGHTS[:1], np.array([0])), x).tolist() == [[1], [1]]
    assert matrix_vector(MatrixVector("m", WEIGHTS[:1], np.array([4])), x).tolist() == [[0], [0]]


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_matrix_vector_is_the_product_of_signs(synapses: int, neurons: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))
    bits = rng.integers(0, 2, (5, synapses))
    bits[0], bits[1] = 0, 1
    expected = (2 * bits - 1) @ weights.astype(np.int64).T
    assert (matrix_vector(MatrixVector("m", weights), bits) == expected).all()
    # ones + zeros == n, and complementing the input negates the sum.
    assert (matrix_vector(MatrixVector("m", weights), 1 - bits) == -expected).all()


def test_integer_weights_by_hand() -> None:
    weights, int3 = np.array([[3, -4, 0], [-1, 2, 1]], np.int8), Integer(3, signed=True)
    bits = MatrixVector("m", weights, weight_element=int3)
    # Signs (+1, -1, -1): 3 + 4 - 0 = 7 and -1 - 2 - 1 = -4.
    assert matrix_vector(bits, np.array([[1, 0, 0]])).tolist() == [[7, -4]]
    assert matrix_vector(replace(bits, thresholds=np.array([7, -3])), np.array([[1, 0, 0]])).tolist() == [[1, 0]]
    numbers = MatrixVector("m", weights, operand=Integer(4, signed=True), weight_element=int3)
    assert matrix_vector(numbers, np.array([[-8, 7, 5]])).tolist() == [[-52, 27]]


def test_threshold_shared_and_per_channel() -> None:
    x = np.array([[[3, -4], [-4, 3]]])
    element = Integer(4, signed=True)
    assert threshold(Threshold("t", element, (2, 2), np.array([3])), x).tolist() == [[[1, 0], [0, 1]]]
    per_channel = Threshold("t", element, (2, 2), np.array([8, -8]))
    assert threshold(per_channel, x).tolist() == [[[0, 1], [0, 1]]]


def test_arg_max_takes_the_lowest_index_at_a_tie() -> None:
    node = ArgMax("a", signed_for(-4, 4), np.ones(3, np.int64), np.zeros(3, np.int64))
    assert arg_max(node, np.array([[2, 2, 1], [-4, -4, -4], [0, 1, 1]])).tolist() == [[0], [0], [1]]


def test_arg_max_compares_keys() -> None:
    node = ArgMax("a", signed_for(-4, 4), np.array([1, 3, 2]), np.array([1, 0, -5]))
    # Keys: 3, 3, -1 and -3, -12, 3.
    assert arg_max(node, np.array([[2, 1, 2], [-4, -4, 4]])).tolist() == [[0], [2]]


def test_arg_max_keys_as_wide_as_may_be() -> None:
    node = ArgMax("a", Integer(2, signed=True), np.array([2**61, 2**61 - 1]), np.array([0, 1]))
    x = np.array([[1, 1], [0, 0], [-1, -1], [0, 1]])
    assert node.key_element.width == 63
    assert arg_max(node, x).tolist() == [[0], [1], [1], [1]]
    assert packed.apply(node, packed.Tensor(x, (2,), False))[0].values.tolist() == [[0], [1], [1], [1]]


def test_fork_and_width_converter_keep_the_frames() -> None:
    x = np.arange(24).reshape(2, 12)
    for copy in fork(Fork("f", Integer(8), (12,), copies=3), x):
        assert (copy == x).all()
        assert copy is not x
    assert (width_converter(WidthConverter("w", Integer(8), (12,), 4, 6), x) == x).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_stream_has_its_shape_and_range(case: Case) -> None:
    network = case.network()
    values = reference.evaluate(network, random_frames(network, 3))
    assert set(values) == {fifo.name for fifo in network.fifos}
    for fifo in network.fifos:
        stream = network.stream(fifo)
        assert values[fifo.name].shape == (3, *stream.shape)
        assert values[fifo.name].dtype == np.int64
        assert values[fifo.name].min() >= stream.element.minimum
        assert values[fifo.name].max() <= stream.element.maximum
