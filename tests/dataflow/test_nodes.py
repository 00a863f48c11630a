"""Refusals of the node kinds; nodes are immutable."""

import numpy as np
import pytest

from dataflow import BIPOLAR, ArgMax, Element, Fork, InputError, Integer, MatrixVector, Threshold, WidthConverter

SIGNS = np.array([[1, -1, 1, 1], [-1, -1, 1, -1]], np.int8)
ONES = np.ones(4, np.int64)
TERNARY = Integer(2, signed=True)


def test_arrays_are_copied_and_locked() -> None:
    weights, thresholds = SIGNS.copy(), np.array([0, 5])
    node = MatrixVector("m", weights, thresholds)
    weights[:], thresholds[:] = 1, 1
    assert (node.weights == SIGNS).all()
    assert node.thresholds is not None
    assert node.thresholds.tolist() == [0, 5]
    with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
        node.weights[0, 0] = 1


def test_arrays_of_any_integers_are_taken() -> None:
    node = MatrixVector("m", SIGNS.astype(np.int32), np.array([1, 2], np.uint16))
    assert node.weights.dtype == np.int8
    assert node.thresholds is not None
    assert node.thresholds.dtype == np.int64


@pytest.mark.parametrize("dtype", ["float64", "bool", "complex128"])
def test_arrays_of_other_kinds_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match=rf"^Arrays of a node must hold integers, not {dtype}$"):
        MatrixVector("m", np.ones((2, 2), dtype))


def test_numbers_beyond_the_dtype_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Arrays of a node must fit int8, not -200 to 300$"):
        MatrixVector("m", np.array([[-200, 300]]))
    with pytest.raises(InputError, match=r"^Arrays of a node must fit int64, not \d+ to \d+$"):
        Threshold("t", Integer(8), (1,), np.array([2**63], np.uint64))


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2), (0, 4), (4, 0)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^weights shape of node 'm' must be \(neurons, synapses\), not \(.*\)$"):
        MatrixVector("m", np.ones(shape, np.int8))


def test_weights_that_are_no_signs_are_refused() -> None:
    with pytest.raises(InputError, match=r"^weights of node 'm' must be -1 or \+1, not 0$"):
        MatrixVector("m", SIGNS * np.array([1, 0, 1, 1], np.int8))


@pytest.mark.parametrize("element", [Integer(2), Integer(1, signed=True), Integer(9, signed=True), Integer(8)], ids=str)
def test_elements_of_weights_that_are_refused(element: Integer) -> None:
    sentence = rf"^weight_element of node 'm' must be bipolar or int2 to int8, not '{element}'$"
    with pytest.raises(InputError, match=sentence):
        MatrixVector("m", SIGNS, weight_element=element)


@pytest.mark.parametrize("number", [-3, 2])
def test_weights_beyond_their_element_are_refused(number: int) -> None:
    MatrixVector("m", np.array([[-2, -1, 0, 1]]), weight_element=TERNARY)
    with pytest.raises(InputError, match=rf"^weights of node 'm' must be -2 to 1, not {number}$"):
        MatrixVector("m", np.array([[-1, 0, 1, number]]), weight_element=TERNARY)


@pytest.mark.parametrize(
    ("operand", "element", "least", "greatest", "output"),
    [
        (BIPOLAR, TERNARY, -8, 8, "int5"),
        (Integer(8), TERNARY, -2040, 1020, "int12"),
        (Integer(8), Integer(8, signed=True), -130560, 129540, "int18"),
        (Integer(8, signed=True), Integer(8, signed=True), -65024, 65536, "int18"),
    ],
    ids=str,
)
def test_totals_of_integer_weights(operand: Element, element: Integer, least: int, greatest: int, output: str) -> None:
    node = MatrixVector("m", SIGNS, operand=operand, weight_element=element)
    assert node.counted == (least, greatest)
    assert str(node.element) == output
    MatrixVector("m", SIGNS, np.array([least, greatest + 1]), operand=operand, weight_element=element)
    sentence = rf"^thresholds of node 'm' must be {least} to {greatest + 1}, not \({least - 1}, {greatest + 2}\)$"
    with pytest.raises(InputError, match=sentence):
        MatrixVector("m", SIGNS, np.array([least - 1, greatest + 2]), operand=operand, weight_element=element)


def test_words_of_integer_weights() -> None:
    weights = np.array([[1, -1, -2], [0, 1, -1]], np.int8)
    node = MatrixVector("m", weights, pe=2, simd=2, weight_element=TERNARY)
    assert node.weight_bits == 12
    assert node.word_width == 8
    # Bits of 1, -1, then 0, 1 in the first step; -2 and an inert synapse, -1 and an inert synapse in the second.
    assert node.weight_words.astype(int).tolist() == [[1, 0, 1, 1, 0, 0, 1, 0], [0, 1, 0, 0, 1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("operand", "element", "form", "stages", "term"),
    [
        (BIPOLAR, BIPOLAR, "matches", 0, "uint1"),
        (Integer(8), BIPOLAR, "signs", 0, "int9"),
        (BIPOLAR, TERNARY, "masks", 0, "int2"),
        (BIPOLAR, Integer(8, signed=True), "masks", 0, "int2"),
        (Integer(2), TERNARY, "digits", 0, "int3"),
        (Integer(8, signed=True), TERNARY, "digits", 0, "int8"),
        (Integer(4), Integer(4, signed=True), "digits", 1, "int6"),
        (Integer(2), Integer(8, signed=True), "masks", 1, "int3"),
        (Integer(4), Integer(5, signed=True), "products", 2, "int5"),
        (Integer(8), Integer(8, signed=True), "products", 2, "int9"),
    ],
    ids=str,
)
def test_terms(operand: Element, element: Element, form: str, stages: int, term: str) -> None:
    """The widths are those for weights of -1 and +1."""
    node = MatrixVector("m", SIGNS, operand=operand, weight_element=element)
    assert (node.terms.form, node.terms.stages, str(node.terms.element)) == (form, stages, term)
    assert node.latency == 4 + stages


def test_thresholds_of_another_count_are_refused() -> None:
    with pytest.raises(InputError, match=r"^thresholds shape of node 'm' must be \(2,\), not \(3,\)$"):
        MatrixVector("m", SIGNS, np.array([1, 2, 3]))
    with pytest.raises(InputError, match=r"^thresholds shape of node 't' must be \(1,\) or \(4,\), not \(2,\)$"):
        Threshold("t", Integer(8), (3, 4), np.array([1, 2]))


@pytest.mark.parametrize(("low", "high"), [(-1, 0), (0, 6)])
def test_matrix_thresholds_beyond_always_and_never_are_refused(low: int, high: int) -> None:
    MatrixVector("m", SIGNS, np.array([0, 5]))
    with pytest.raises(InputError, match=rf"^thresholds of node 'm' must be 0 to 5, not \({low}, {high}\)$"):
        MatrixVector("m", SIGNS, np.array([low, high]))


@pytest.mark.parametrize(("low", "high"), [(-9, 0), (0, 9)])
def test_thresholds_beyond_always_and_never_are_refused(low: int, high: int) -> None:
    element = Integer(4, signed=True)
    Threshold("t", element, (2,), np.array([-8, 8]))
    with pytest.raises(InputError, match=rf"^thresholds of node 't' must be within -8 to 8, not \({low}, {high}\)$"):
        Threshold("t", element, (2,), np.array([low, high]))


@pytest.mark.parametrize("value", [0, -1, 5, 8, 2.0, True, "2"])
def test_foldings_beyond_the_shape_are_refused(value: object) -> None:
    cases = {
        "pe of node 'm' must be 1 to 2, the number of its neurons": lambda: MatrixVector("m", SIGNS, pe=value),  # type: ignore[arg-type]
        "simd of node 'm' must be 1 to 4, the number of its synapses": lambda: MatrixVector("m", SIGNS, simd=value),  # type: ignore[arg-type]
        "pe of node 't' must be 1 to 4, the number of its channels": lambda: Threshold(
            "t", BIPOLAR, (5, 4), np.array([1]), value
        ),  # type: ignore[arg-type]
        "pe of node 'a' must be 1 to 4, the number of its classes": lambda: ArgMax("a", Integer(3), ONES, ONES, value),  # type: ignore[arg-type]
        "pe of node 'f' must be 1 to 4, the number of its channels": lambda: Fork("f", BIPOLAR, (4,), 2, value),  # type: ignore[arg-type]
        "lanes_in of node 'w' must be 1 to 4, the number of its channels": lambda: WidthConverter(
            "w", BIPOLAR, (4,), value, 4
        ),  # type: ignore[arg-type]
        "lanes_out of node 'w' must be 1 to 4, the number of its channels": lambda: WidthConverter(
            "w", BIPOLAR, (4,), 4, value
        ),  # type: ignore[arg-type]
    }
    for sentence, make in cases.items():
        with pytest.raises(InputError, match=rf"^{sentence}, not {value!r}$"):
            make()


@pytest.mark.parametrize("shape", [(), (0,), (2.0,), [4], (True,)])
def test_shapes_that_are_no_sizes_are_refused(shape: object) -> None:
    for make in (
        lambda: Threshold("n", BIPOLAR, shape, np.array([1])),  # type: ignore[arg-type]
        lambda: Fork("n", BIPOLAR, shape),  # type: ignore[arg-type]
        lambda: WidthConverter("n", BIPOLAR, shape, 1, 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=r"^shape of node 'n' must be positive sizes, not .+$"):
            make()


@pytest.mark.parametrize("copies", [1, 0, 2.0, True])
def test_fork_to_fewer_than_two_is_refused(copies: object) -> None:
    with pytest.raises(InputError, match=rf"^copies of node 'f' must be at least 2, not {copies!r}$"):
        Fork("f", BIPOLAR, (4,), copies)  # type: ignore[arg-type]


def test_arg_max_arrays() -> None:
    with pytest.raises(InputError, match=r"^scale shape of node 'a' must be \(classes,\), not \(0,\)$"):
        ArgMax("a", Integer(3), ONES[:0], ONES[:0])
    with pytest.raises(InputError, match=r"^scale shape of node 'a' must be \(classes,\), not \(1, 4\)$"):
        ArgMax("a", Integer(3), ONES[None], ONES)
    with pytest.raises(InputError, match=r"^offset shape of node 'a' must be \(4,\), not \(3,\)$"):
        ArgMax("a", Integer(3), ONES, ONES[1:])
    with pytest.raises(InputError, match=r"^scale of node 'a' must be positive, not 0$"):
        ArgMax("a", Integer(3), ONES - 1, ONES)


def test_arg_max_keys_that_are_too_wide_are_refused() -> None:
    ArgMax("a", Integer(1, signed=True), np.array([2**62]), np.array([0]))
    with pytest.raises(InputError, match=r"^Keys of node 'a' must be at most 63 bits wide, not 64$"):
        ArgMax("a", Integer(1, signed=True), np.array([2**62]), np.array([-1]))


def test_element_of_the_outputs() -> None:
    assert str(MatrixVector("m", SIGNS).element) == "int4"  # -4 to 4
    assert MatrixVector("m", SIGNS, np.array([1, 1])).element == BIPOLAR
    assert str(ArgMax("a", Integer(3), ONES, ONES).output_streams[0].element) == "uint2"
    assert str(ArgMax("a", Integer(3), ONES[:1], ONES[:1]).output_streams[0].element) == "uint1"
    node = ArgMax("a", Integer(3, signed=True), np.array([2, 3]), np.array([0, -5]))
    assert str(node.key_element) == "int6"  # -17 to 6


def test_foldings_are_all_divisors() -> None:
    assert [f["pe"] for f in ArgMax("a", Integer(3), ONES, ONES).foldings()] == [1, 2, 4]
    assert len(list(MatrixVector("m", SIGNS).foldings())) == 6
    assert list(WidthConverter("w", BIPOLAR, (4,), 1, 2).foldings()) == [{}]


def test_folded_refuses_other_names() -> None:
    with pytest.raises(InputError, match=r"^Folding of node 'm' \(MatrixVector\) must name pe, simd, not 'pes'$"):
        MatrixVector("m", SIGNS).folded({"pes": 1})
    with pytest.raises(InputError, match=r"^Folding of node 'w' \(WidthConverter\) must name nothing, not 'pe'$"):
        WidthConverter("w", BIPOLAR, (4,), 1, 2).folded({"pe": 1})
