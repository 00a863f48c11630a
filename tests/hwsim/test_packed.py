"""The packed reference equals the reference on every stream."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    Add,
    Element,
    Fifo,
    Integer,
    MatrixVector,
    Network,
    SlidingWindow,
    Stream,
    Terminal,
    Threshold,
    verify,
    zero_padded,
)
from hwsim import packed, reference
from hwsim.packed import _matrices
from hwsim.packed._bits import pack, unpack
from hwsim.packed._matrices import grouped
from hwsim.packed._tiles import multiplies_pairs, tile_rows
from hwsim.reference.matrix_vector import matrix_vector
from sim_tests.cases import CASES, Case, random_frames
from sim_tests.strategies import dense_networks
from tests.examples import examples


def assert_same(network: Network, frames: np.ndarray) -> None:
    expected, values = reference.evaluate(network, frames), packed.evaluate(network, frames)
    assert expected.keys() == values.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(values[name], array, err_msg=name, strict=True)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 9])
def test_every_case_and_number_of_frames(case: Case, frames: int) -> None:
    network = case.network()
    assert_same(network, random_frames(network, frames))


@settings(max_examples=examples(60))
@given(dense_networks(), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_random_networks(network: Network, frames: int, seed: int) -> None:
    assert_same(network, random_frames(network, frames, seed=seed))


def bit_network(shape: tuple[int, ...], weights: np.ndarray) -> Network:
    """Return a network with an input of bits and one matrix that reads it flattened."""
    node = MatrixVector("fc", weights, None, 1, shape[-1])
    return verify(
        Network(
            "bits",
            (node,),
            (Fifo("input", "fc"), Fifo("fc", "scores")),
            (Terminal("input", Stream(BIPOLAR, shape, shape[-1])),),
            (Terminal("scores", node.output_streams[0]),),
            shape,
        )
    )


@pytest.mark.parametrize("shape", [(70,), (3, 4, 5), (2, 2, 64), (1, 2, 65)])
def test_input_of_bits_that_is_flattened(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    network = bit_network(shape, rng.choice(np.array([-1, 1], np.int8), (3, int(np.prod(shape)))))
    assert_same(network, rng.integers(0, 2, (5, *shape)))


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_pack_puts_bit_0_lowest_and_unpack_undoes_it(size: int, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2, (2, 3, size))
    words = pack(bits)
    assert words.shape == (2, 3, -(-size // 64))
    assert words.dtype == np.uint64
    assert (unpack(words, size) == bits).all()
    as_integer = sum(int(word) << (64 * index) for index, word in enumerate(words[1, 2]))
    assert as_integer == sum(int(bit) << index for index, bit in enumerate(bits[1, 2]))


@pytest.mark.long
@pytest.mark.parametrize("synapses", [1, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("rows", [1, tile_rows - 1, tile_rows, tile_rows + 1])
@pytest.mark.parametrize("neurons", [1, 31, 32, 33, 64, 65])
def test_matrices_at_borders_of_words_and_tiles(synapses: int, rows: int, neurons: int) -> None:
    rng = np.random.default_rng(synapses)
    x, weights = rng.integers(0, 2, (rows, synapses)), rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))
    sums = MatrixVector("m", weights)
    bits = MatrixVector("m", weights, rng.integers(0, synapses + 2, neurons))
    expected = (2 * x - 1) @ weights.T.astype(np.int64)
    tensor = packed.Tensor(pack(x), (synapses,), True)
    (totals,), (y,) = packed.apply(sums, tensor), packed.apply(bits, tensor)
    assert (totals.values == expected).all()
    assert (y.values == ((expected + synapses) // 2 >= bits.thresholds)).all()


@pytest.mark.long
@pytest.mark.parametrize("way", ["short words", "bytes", "words"])
@pytest.mark.parametrize("synapses", [480, 481, 504, 505, 512, 1008, 1009, 2**15 - 1, 2**15])
@pytest.mark.parametrize("neurons", [1, 16, 17, 32, 33, 64, 65])
def test_all_bits_differ_or_none(monkeypatch: pytest.MonkeyPatch, neurons: int, synapses: int, way: str) -> None:
    """Counts in bytes are added to the sums after at most 60 steps of 8 synapses; 16 bits hold those of 2**15 - 1.

    Short words and bytes are for processors that have instructions for them.
    """
    for name in ("looks_up_bits", "multiplies_pairs"):
        if way != "bytes":
            monkeypatch.setattr(_matrices, name, lambda: False)
    if way != "short words":
        monkeypatch.setattr(_matrices, "counts_short_words", lambda: False)
    weights = np.ones((neurons, synapses), np.int8)
    weights[-1] = -1
    x = np.zeros((tile_rows + 1, synapses), np.int64)
    x[::2] = 1
    x[1, -1] = 1
    expected = (2 * x - 1) @ weights.T.astype(np.int64)
    tensor = packed.Tensor(pack(x), (synapses,), True)
    (totals,) = packed.apply(MatrixVector("m", weights), tensor)
    np.testing.assert_array_equal(totals.values, expected, strict=True)
    for limits in (np.zeros(neurons, np.int64), (expected[1] + synapses) // 2, np.full(neurons, synapses + 1)):
        (y,) = packed.apply(MatrixVector("m", weights, limits), tensor)
        np.testing.assert_array_equal(y.values, ((expected + synapses) // 2 >= limits).astype(np.int64), strict=True)


@pytest.mark.parametrize("synapses", [7, 8, 16, 24, 40, 48, 72, 480, 481, 500, 576, 1001])
@pytest.mark.parametrize("neurons", [10, 30, 70])
def test_bits_are_looked_up_in_loops_of_several_steps(
    monkeypatch: pytest.MonkeyPatch, neurons: int, synapses: int
) -> None:
    """The loops of looked up bytes add six steps, three or one at a time, of pairs of rows with other bits."""
    if not multiplies_pairs():
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(_matrices, "counts_short_words", lambda: False)
    monkeypatch.setattr(_matrices, "looks_up_bits", lambda: True)
    rng = np.random.default_rng(synapses)
    x, weights = rng.integers(0, 2, (13, synapses)), rng.choice(np.array([-1, 1], np.int8), (neurons, synapses))
    x[:6] ^= x[:6] & (rng.random((6, 1)) < rng.random((6, synapses)))  # from almost none to almost all are 1
    node = MatrixVector("m", weights, synapses // 2 + rng.integers(-2, 3, neurons))
    (y,) = packed.apply(node, packed.Tensor(pack(x), (synapses,), True))
    expected = ((2 * x - 1) @ weights.T.astype(np.int64) + synapses) // 2 >= node.thresholds
    np.testing.assert_array_equal(y.values, expected.astype(np.int64), strict=True)
    (totals,) = packed.apply(MatrixVector("m", weights), packed.Tensor(pack(x), (synapses,), True))
    np.testing.assert_array_equal(totals.values, (2 * x - 1) @ weights.T.astype(np.int64), strict=True)


@pytest.mark.parametrize("frames", [1, 5])
def test_limits_by_class_in_tiles_that_span_frames(frames: int) -> None:
    rng = np.random.default_rng(frames)
    weights, classes = rng.choice(np.array([-1, 1], np.int8), (40, 27)), np.array([2, 0, 1, 1, 0, 2, 0])
    node = MatrixVector("m", weights, rng.integers(8, 20, (3, 40)), positions=(1, 7), position_classes=classes)
    x = rng.integers(0, 2, (frames, 1, 7, 27))
    (y,) = packed.apply(node, packed.Tensor(pack(x), (1, 7, 27), True))
    assert (y.values == matrix_vector(node, x)).all()
    assert (y.values == (((2 * x - 1) @ weights.T.astype(np.int64) + 27) // 2 >= node.thresholds[classes])).all()


def choose_way(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Let matrices of integers be multiplied in fours, pairs, or one number after another.

    If the processor cannot do one of them, it is the next.
    """
    if way != "fours":
        monkeypatch.setattr(_matrices, "byte_vector_width", lambda: 0)
    if way == "numbers":
        monkeypatch.setattr(_matrices, "multiplies_pairs", lambda: False)


BYTES = [Integer(8), Integer(8, signed=True), Integer(7), Integer(3, signed=True), Integer(1)]


@pytest.mark.long
@pytest.mark.parametrize("way", ["fours", "pairs", "numbers"])
@pytest.mark.parametrize("operand", BYTES, ids=str)
@pytest.mark.parametrize("synapses", [1, 3, 4, 5, 27, 128, 129, 1023])
def test_bytes_at_their_extremes(monkeypatch: pytest.MonkeyPatch, synapses: int, operand: Integer, way: str) -> None:
    choose_way(monkeypatch, way)
    rng = np.random.default_rng(synapses)
    signs = rng.choice(np.array([-1, 1], np.int8), (33, synapses))
    weights = np.concatenate([signs, np.full((1, synapses), 1, np.int8), np.full((1, synapses), -1, np.int8)])
    low, high = operand.minimum, operand.maximum
    # Besides random ones, all least, all greatest, and for a neuron its greatest and its least sum.
    x = rng.integers(low, high + 1, (tile_rows + 1, synapses))
    x[0], x[1], x[2], x[3] = low, high, np.where(signs[0] > 0, high, low), np.where(signs[0] > 0, low, high)
    expected = x @ weights.T.astype(np.int64)
    tensor = packed.tensor_of(x, Stream(operand, (synapses,), 1))
    sums = MatrixVector("m", weights, operand=operand)
    (totals,) = packed.apply(sums, tensor)
    np.testing.assert_array_equal(totals.values, expected, strict=True)
    least, greatest = sums.counted
    for limits in (expected[0], expected[1], expected[4], np.full(35, least), np.full(35, greatest + 1)):
        (y,) = packed.apply(MatrixVector("m", weights, limits, operand=operand), tensor)
        np.testing.assert_array_equal(y.values, (expected >= limits).astype(np.int64), strict=True)


WEIGHTS = [Integer(2, signed=True), Integer(5, signed=True), Integer(8, signed=True)]


@pytest.mark.long
@pytest.mark.parametrize("way", ["fours", "pairs", "numbers"])
@pytest.mark.parametrize("element", WEIGHTS, ids=str)
@pytest.mark.parametrize(
    "operand", [BIPOLAR, Integer(1), Integer(2), Integer(8), Integer(8, signed=True), Integer(16)], ids=str
)
@pytest.mark.parametrize("synapses", [1, 5, 70])
def test_integer_weights_at_their_extremes(
    monkeypatch: pytest.MonkeyPatch, synapses: int, operand: Element, element: Integer, way: str
) -> None:
    choose_way(monkeypatch, way)
    rng = np.random.default_rng(synapses)
    weights = rng.integers(element.minimum, element.maximum + 1, (33, synapses))
    weights[0], weights[1] = element.minimum, element.maximum
    low, high = operand.minimum, operand.maximum
    x = rng.integers(low, high + 1, (tile_rows + 1, synapses))
    x[0], x[1], x[2], x[3] = low, high, np.where(weights[2] > 0, high, low), np.where(weights[2] > 0, low, high)
    expected = (2 * x - 1 if operand == BIPOLAR else x) @ weights.T
    sums = MatrixVector("m", weights, operand=operand, weight_element=element)
    tensor = packed.tensor_of(x, sums.input_streams[0])
    (totals,) = packed.apply(sums, tensor)
    np.testing.assert_array_equal(totals.values, expected, strict=True)
    assert sums.element.minimum <= expected.min()
    assert expected.max() <= sums.element.maximum
    least, greatest = sums.counted
    for limits in (*expected[:5], expected[4] + 1, np.full(33, least), np.full(33, greatest + 1)):
        (y,) = packed.apply(replace(sums, thresholds=limits), tensor)
        np.testing.assert_array_equal(y.values, (expected >= limits).astype(np.int64), strict=True)


@pytest.mark.parametrize("levels", ["thresholds", "offsets"])
@pytest.mark.parametrize("operand", [BIPOLAR, Integer(2), Integer(8, signed=True)], ids=str)
@pytest.mark.parametrize(("channels", "groups"), [(6, 1), (6, 2), (70, 1)])
def test_integer_weights_after_a_window(channels: int, groups: int, operand: Element, levels: str) -> None:
    """Windows of bits, which share words with their neighbours, become windows of numbers."""
    rng = np.random.default_rng(channels)
    window = SlidingWindow(
        "w", operand, (4, 5, channels), (3, 2), (1, 2), padding=(1, 1, 0, 1), groups=groups, pad=operand.minimum
    )
    weights = rng.integers(-4, 4, (4, 6 * channels // groups))
    bare = MatrixVector(
        "m",
        weights,
        operand=operand,
        positions=window.output_streams[0].shape[:2],
        groups=groups,
        weight_element=Integer(3, signed=True),
    )
    node = zero_padded(window, bare, rng.integers(-9, 9, 4) if levels == "thresholds" else None)
    assert (node.position_classes is None) == (operand == Integer(2))
    image = rng.integers(operand.minimum, operand.maximum + 1, (3, 4, 5, channels))
    (patches,) = packed.apply(window, packed.tensor_of(image, window.input_streams[0]))
    (y,) = packed.apply(node, patches)
    (x,) = reference.apply(window, image)
    np.testing.assert_array_equal(y.values, matrix_vector(node, x), strict=True)


@pytest.mark.parametrize("operand", [Integer(9), Integer(9, signed=True), Integer(8)], ids=str)
def test_integers_wider_than_bytes_and_sums_by_class(operand: Integer) -> None:
    rng = np.random.default_rng(0)
    weights, classes = rng.choice(np.array([-1, 1], np.int8), (10, 13)), np.array([1, 0, 2])
    offsets = rng.integers(-50, 50, (3, 10))
    node = MatrixVector("m", weights, operand=operand, positions=(1, 3), position_classes=classes, offsets=offsets)
    x = rng.choice(np.array([operand.minimum, operand.maximum]), (5, 1, 3, 13))
    (y,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
    assert (y.values == x @ weights.T.astype(np.int64) + offsets[classes]).all()


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 2**32 - 1))
def test_weights_of_four_bytes_stand_at_the_elements_that_are_read(places: set[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = rng.permutation(np.array(sorted(places), np.int64))
    weights, frame = rng.choice(np.array([-1, 1], np.int8), (3, len(offsets))), rng.integers(0, 256, 64)
    fours, starts = grouped(weights, offsets, 4, np.int32)
    assert fours.dtype == np.int32
    assert (np.diff(starts) >= 4).all()
    bytes_of = fours.astype("<i4").view(np.int8).reshape(3, -1)
    assert np.count_nonzero(bytes_of) == weights.size
    read = frame[starts[:, None] + np.arange(4)].reshape(-1)
    assert (bytes_of.astype(np.int64) @ read == weights.astype(np.int64) @ frame[offsets]).all()


def test_evaluate_only_keeps_what_is_asked_for() -> None:
    network = CASES[0].network()
    frames = random_frames(network, 3)
    name = network.fifos[-2].name
    values = packed.evaluate_only(network, frames, [name])
    assert list(values) == [name]
    assert (values[name] == reference.evaluate(network, frames)[name]).all()


@pytest.mark.parametrize(
    "element", [Integer(1), Integer(8), Integer(8, signed=True), Integer(15), Integer(40)], ids=str
)
@pytest.mark.parametrize("channels", [1, 15, 16, 17, 33, 63, 64, 65, 80])
def test_thresholds_at_borders_of_words(channels: int, element: Integer) -> None:
    rng, (low, high) = np.random.default_rng(channels), (element.minimum, element.maximum)
    x = rng.integers(low, high + 1, (3, 5, channels))
    x[0], x[1] = low, high
    for limits in (x[2, 0], np.full(channels, low), np.full(channels, high + 1), x[2, 0, :1]):
        node = Threshold("t", element, (5, channels), limits)
        (bits,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
        np.testing.assert_array_equal(bits.values, (x >= limits).astype(np.int64), strict=True)
        assert (bits.plain.data == pack(x >= limits)).all()


@pytest.mark.parametrize("factors", [(), (1, 3), (2**30, 1)])
@pytest.mark.parametrize("width", [1, 8, 16, 31, 32])
def test_sums_at_borders_of_types(width: int, factors: tuple[int, ...]) -> None:
    element = Integer(width, signed=True)
    ends = np.array([element.minimum, -1, 0, element.maximum])
    left, right = (each.reshape(1, -1) for each in np.meshgrid(ends, ends))
    for result in (None, Integer(7, signed=True)):
        node = Add("a", (element, element), (16,), result, factors=factors)
        (sums,) = packed.apply(node, *(packed.tensor_of(x, node.input_streams[0]) for x in (left, right)))
        (expected,) = reference.apply(node, left, right)
        np.testing.assert_array_equal(sums.values, expected, strict=True)
