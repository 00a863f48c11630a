"""Values of convolutional networks: the reference by hand and by another formula, the packed one equal to it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    Integer,
    MatrixVector,
    MaxPool,
    Network,
    SlidingWindow,
    SumPool,
    WindowNode,
    fold,
    zero_padded,
)
from hwsim import packed, reference
from hwsim.packed import network as network_of_tensors
from hwsim.packed._tiles import tile_rows
from hwsim.reference.matrix_vector import matrix_vector
from hwsim.reference.max_pool import max_pool
from hwsim.reference.sliding_window import sliding_window
from hwsim.reference.sum_pool import sum_pool
from sim_tests.cases import random_frames
from sim_tests.conv_cases import conv_network
from sim_tests.strategies import conv_networks
from tests.examples import examples
from tests.hwsim.window_networks import ELEMENTS, alone, window_nodes

IMAGE = np.arange(1, 13).reshape(1, 3, 4, 1)  # 1 2 3 4 / 5 6 7 8 / 9 10 11 12


def assert_same(network: Network, frames: np.ndarray) -> None:
    expected, values = reference.evaluate(network, frames), packed.evaluate(network, frames)
    assert expected.keys() == values.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(values[name], array, err_msg=name, strict=True)


def window(**options: object) -> list[list[int]]:
    """Return the taps of every position on `IMAGE`."""
    node = SlidingWindow("w", Integer(4), (3, 4, 1), **options)  # type: ignore[arg-type]
    y = sliding_window(node, IMAGE)
    assert y.shape == (1, *node.output_streams[0].shape)
    taps: list[list[int]] = y.reshape(-1, y.shape[-1]).tolist()
    return taps


def test_taps_follow_in_the_order_of_rows_and_columns() -> None:
    assert window(kernel=(2, 2), stride=(1, 2)) == [[1, 2, 5, 6], [3, 4, 7, 8], [5, 6, 9, 10], [7, 8, 11, 12]]


def test_channels_of_a_tap_stay_together() -> None:
    node = SlidingWindow("w", Integer(4), (1, 2, 2), (1, 2))
    assert sliding_window(node, np.array([[[[1, 2], [3, 4]]]])).tolist() == [[[[1, 2, 3, 4]]]]


def test_stride_dilation_and_padding_differ_by_axis_and_side() -> None:
    assert window(kernel=(2, 2), dilation=(2, 3)) == [[1, 4, 9, 12]]
    assert window(kernel=(1, 1), stride=(2, 3)) == [[1], [4], [9], [12]]
    # A row of 15 above, a column of 15 at the right.
    assert window(kernel=(2, 2), stride=(2, 3), padding=(1, 0, 0, 1), pad=15) == [
        [15, 15, 1, 2],
        [15, 15, 4, 15],
        [5, 6, 9, 10],
        [8, 15, 12, 15],
    ]


def test_max_pool_by_hand() -> None:
    node = MaxPool("p", Integer(5, signed=True), (3, 4, 1), (2, 2), (1, 2))
    assert max_pool(node, IMAGE).tolist() == [[[[6], [8]], [[10], [12]]]]
    # What is outside does not count, not even as zero.
    padded = MaxPool("p", Integer(5, signed=True), (3, 4, 1), (2, 2), (2, 2), padding=(1, 0, 1, 1))
    assert max_pool(padded, -IMAGE).tolist() == [[[[-1], [-2], [-4]], [[-5], [-6], [-8]]]]


def test_max_pool_of_bits_is_or() -> None:
    node = MaxPool("p", BIPOLAR, (2, 2, 3), (2, 2))
    x = np.array([[[[0, 0, 1], [0, 1, 1]], [[0, 0, 1], [0, 0, 1]]]])
    assert max_pool(node, x).tolist() == [[[[0, 1, 1]]]]


def test_sum_pool_by_hand() -> None:
    node = SumPool("p", Integer(5, signed=True), (3, 4, 1), (2, 2), (1, 2))
    assert sum_pool(node, IMAGE).tolist() == [[[[14], [22]], [[30], [38]]]]
    # What is outside counts nothing; of bits nothing is not 0, which counts -1.
    padded = SumPool("p", BIPOLAR, (1, 2, 2), (2, 2), padding=(1, 0, 1, 0))
    assert sum_pool(padded, np.array([[[[0, 1], [1, 1]]]])).tolist() == [[[[-1, 1], [0, 2]]]]


def test_groups_of_a_window_by_hand() -> None:
    node = SlidingWindow("w", Integer(4), (1, 2, 4), (1, 2), groups=2)
    x = np.arange(1, 9).reshape(1, 1, 2, 4)
    assert sliding_window(node, x).tolist() == [[[[1, 2, 5, 6, 3, 4, 7, 8]]]]


def test_groups_of_a_matrix_by_hand() -> None:
    weights = np.array([[1, 1], [1, -1], [1, 1], [-1, -1]], np.int8)
    node = MatrixVector("m", weights, operand=Integer(4), groups=2)
    assert matrix_vector(node, np.array([[1, 2, 3, 5]])).tolist() == [[3, -1, 8, -8]]


def test_levels_by_class_by_hand() -> None:
    weights = np.array([[1, 1], [1, -1]], np.int8)
    options = {"positions": (1, 3), "operand": Integer(4), "position_classes": np.array([1, 0, 1])}
    x = np.array([[[[1, 2]] * 3]])
    sums = MatrixVector("m", weights, offsets=np.array([[10, 20], [-1, 0]]), **options)  # type: ignore[arg-type]
    assert matrix_vector(sums, x).tolist() == [[[[2, -1], [13, 19], [2, -1]]]]
    bits = MatrixVector("m", weights, np.array([[3, 0], [4, -1]]), **options)  # type: ignore[arg-type]
    assert matrix_vector(bits, x).tolist() == [[[[0, 1], [1, 0], [0, 1]]]]


def test_matrix_vector_of_integers_by_hand() -> None:
    weights = np.array([[1, -1, 1], [-1, -1, -1]], np.int8)
    x = np.array([[[[3, 5, 7], [0, 0, 0]]]])
    node = MatrixVector("m", weights, positions=(1, 2), operand=Integer(3))
    assert matrix_vector(node, x).tolist() == [[[[5, -15], [0, 0]]]]
    # Thresholds are on the total; a tie gives one.
    levels = MatrixVector("m", weights, np.array([5, -14]), positions=(1, 2), operand=Integer(3))
    assert matrix_vector(levels, x).tolist() == [[[[1, 0], [0, 1]]]]


def test_matrix_vector_of_integers_at_its_extremes() -> None:
    weights = np.array([[1, 1], [-1, -1]], np.int8)
    for operand, span in ((Integer(3), (-14, 14)), (Integer(3, signed=True), (-8, 8))):
        node = MatrixVector("m", weights, operand=operand)
        x = np.array([[operand.maximum] * 2, [operand.minimum] * 2])
        y = matrix_vector(node, x)
        assert node.counted == span
        assert span[0] <= y.min() <= y.max() <= span[1]
        assert max(-y.min(), y.max()) == span[1]


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_convolution_is_a_sum_over_taps(height: int, width: int, channels: int, bits: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    operand = BIPOLAR if bits else Integer(6, signed=True)
    node = SlidingWindow("w", operand, (5, 6, channels), (height, width))
    rows, columns = node.positions
    weights = rng.choice(np.array([-1, 1], np.int8), (3, height * width * channels))
    matrix = MatrixVector("m", weights, positions=node.positions, operand=operand)
    x = rng.integers(operand.minimum, operand.maximum + 1, (2, 5, 6, channels))
    numbers = 2 * x - 1 if bits else x
    expected = np.zeros((2, rows, columns, 3), np.int64)
    for (ky, kx), tap in zip(np.ndindex(height, width), np.split(weights, height * width, axis=1), strict=True):
        expected += numbers[:, ky : ky + rows, kx : kx + columns] @ tap.T.astype(np.int64)
    assert (matrix_vector(matrix, sliding_window(node, x)) == expected).all()


@pytest.mark.long
@settings(max_examples=examples(150))
@given(window_nodes(ELEMENTS), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_packed_windows_of_any_numbers(node: WindowNode, frames: int, seed: int) -> None:
    network = alone(node)
    assert_same(network, random_frames(network, frames, seed=seed))


@pytest.mark.long
@settings(max_examples=examples(60))
@given(conv_networks(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_packed_random_networks(network: Network, frames: int, seed: int) -> None:
    assert_same(network, random_frames(network, frames, seed=seed))


@pytest.mark.long
@pytest.mark.parametrize("channels", [(63,), (64,), (65, 2), (64, 128), (128, 3)])
@pytest.mark.parametrize("pool", [None, (2, 2)])
def test_packed_at_word_borders(channels: tuple[int, ...], pool: tuple[int, int] | None) -> None:
    network = conv_network((7, 6, 3), channels, kernel=(2, 2), padding=(0, 1, 1, 0), pad=1, pool=pool, integers=True)
    assert_same(network, random_frames(network, 2))


@pytest.mark.long
@pytest.mark.parametrize("width", [8, 22, 23, 24, 51, 52, 53, 56, 60])
def test_packed_sums_of_wide_integers_are_exact(width: int) -> None:
    # Beyond 2**24 not every integer is a float32, beyond 2**53 not every one is a float64.
    operand = Integer(width, signed=True)
    rng = np.random.default_rng(width)
    weights = rng.choice(np.array([-1, 1], np.int8), (3, 4))
    node = MatrixVector("m", weights, operand=operand)
    x = rng.integers(operand.minimum, operand.maximum + 1, (50, 4))
    (y,) = packed.apply(node, packed.Tensor(x, (4,), False))
    assert (y.values == matrix_vector(node, x)).all()


def test_packed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    network = conv_network((6, 6, 2), (3, 4), integers=True)
    frames = random_frames(network, 2 * tile_rows + 3)
    seen = []
    evaluate_block = network_of_tensors.evaluate_block

    def spy(network: Network, steps: list[object], block: np.ndarray, wanted: set[str]) -> dict[str, np.ndarray]:
        seen.append(len(block))
        return evaluate_block(network, steps, block, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(network_of_tensors, "evaluate_block", spy)
    monkeypatch.setattr(network_of_tensors, "block_bytes", 1)
    assert_same(network, frames)
    assert sorted(seen) == [3, tile_rows, tile_rows]


@st.composite
def convolutions(draw: st.DrawFn) -> Network:
    """Draw a window and a matrix after it, for numbers of any width; thresholds are near the middle, or at an end."""
    element = draw(st.one_of(st.just(BIPOLAR), st.builds(Integer, st.integers(1, 40), st.booleans())))
    few = draw(st.booleans())
    channels, most = ((1, 2, 3), 6) if few else ((63, 64, 65, 128, 130), 3)
    window = draw(window_nodes((element,), kinds=(SlidingWindow,), sizes=channels, most=most))
    assert isinstance(window, SlidingWindow)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    neurons = window.groups * draw(st.sampled_from([1, 3, 32, 33, 65] if few and window.groups == 1 else [1, 3]))
    weights = rng.choice(np.array([-1, 1], np.int8), (neurons, window.taps * window.group_channels))
    matrix = MatrixVector("m", weights, positions=window.positions, operand=element, groups=window.groups)
    kind = draw(st.sampled_from(["sums", "bits", "zero padded sums", "zero padded bits"]))
    if kind.startswith("zero"):
        levels = rng.integers(-2, 3, neurons) if kind == "zero padded bits" else None
        matrix = zero_padded(window, matrix, levels)
    if kind == "bits":
        low, high = matrix.counted
        levels = np.clip((low + high) // 2 + rng.integers(-2, 3, neurons), low, high + 1)
        levels[-1] = draw(st.sampled_from([low, high, high + 1, levels[-1]]))
        matrix = replace(matrix, thresholds=levels)
    network = alone(window.folded({"pe": 1, "simd": 1}), matrix)
    return fold(network, {window.name: window.folding, "m": {"simd": window.output_streams[0].lanes}})


@pytest.mark.long
@settings(max_examples=examples(100))
@given(convolutions(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_packed_convolutions_of_any_numbers(network: Network, frames: int, seed: int) -> None:
    x = random_frames(network, frames, seed=seed)
    assert_same(network, x)
    last = network.fifos[-1].name
    (values,) = packed.evaluate_only(network, x, [last]).values()
    np.testing.assert_array_equal(values, reference.evaluate(network, x)[last], strict=True)


@pytest.mark.parametrize("channels", [3, 64, 70])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_packed_frames_of_any_integer_type(channels: int, dtype: type[np.integer]) -> None:
    # The number outside is negative, which the type of the frames does not have.
    window = SlidingWindow("w", Integer(9, signed=True), (3, 3, channels), (3, 3), padding=(1, 1, 1, 1), pad=-200)
    weights = np.ones((1, 9 * channels), np.int8)
    network = alone(window, MatrixVector("m", weights, positions=(3, 3), operand=window.element))
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 3, channels)).astype(dtype)
    assert_same(network, x)
