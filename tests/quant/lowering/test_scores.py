"""Scores: affines per tensor and per class, ties, the functions at the end, and the integer keys of the classes."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import ArgMax, MatrixVector, Network
from quant.lowering import lower
from quant.lowering.exact import order_keys as order_keys_module
from quant.lowering.exact.order_keys import order_keys
from quant.lowering.exact.surds import Number, sign, square_root
from tests.examples import examples
from tests.quant.lowering.assertions import assert_refused
from tests.quant.lowering.oracle import Builder, assert_equal_to_oracle

rng = np.random.default_rng(3)
W = rng.choice([-1.0, 1.0], (4, 6))


def model_with(*operators: tuple[Any, ...], opset: int = 20, bias: Any = None) -> onnx.ModelProto:
    """Return six pixels, a dense layer of four classes and operators on the scores."""
    net = Builder((1, 6), opset=opset)
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    x = net("Gemm", x, W, *(() if bias is None else (bias,)), name="fc", transB=1)
    for kind, *operands in operators:
        attributes = operands.pop() if operands and isinstance(operands[-1], dict) else {}
        x = net(kind, x, *operands, name=kind.lower(), **attributes)
    return net.model(x)


def norm(*parameters: list[float]) -> tuple[Any, ...]:
    return ("BatchNormalization", *parameters, {"epsilon": 1e-5})


def last_of(network: Network) -> tuple[MatrixVector, ArgMax]:
    matrix, arg_max = network.node("fc"), network.node("arg_max")
    assert isinstance(matrix, MatrixVector)
    assert isinstance(arg_max, ArgMax)
    return matrix, arg_max


@pytest.mark.parametrize(
    ("operators", "scale"),
    [
        ((), 1.0),
        ((("Mul", 0.3), ("Sub", 7.0), ("Div", 1.7)), 0.3 / 1.7),
        ((("Mul", -0.3), ("Add", 2.0)), -0.3),
        ((("Neg",),), -1.0),
        ((("Add", 20.0), ("Relu",), ("Abs",), ("Clip", -1.0, 99.0), ("Sub", 1.0)), 1.0),
        ((("Sub", 20.0), ("Abs",), ("LeakyRelu", {"alpha": 1.0})), -1.0),
        ((("Max", -7.0), ("Min", 7.0), ("Mean", 1.0), ("Pow", 1.0)), 0.5),
    ],
    ids=str,
)
def test_affine_of_the_tensor(operators: tuple[Any, ...], scale: float) -> None:
    network = assert_equal_to_oracle(model_with(*operators), frames=64)
    matrix, arg_max = last_of(network)
    assert (arg_max.scale.tolist(), arg_max.offset.tolist()) == ([1] * 4, [0] * 4)
    np.testing.assert_array_equal(matrix.weights, W if scale > 0 else -W)
    assert network.scores is not None
    np.testing.assert_allclose(network.scores.scale, abs(scale), rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize(
    "operators",
    [
        (("Add", [0.0, 1.0, 2.0, 3.0]),),
        (("Add", [0.1, -0.2, 0.3, 1.5]),),
        (("Mul", [1.0, 2.0, 3.0, 0.5]),),
        (("Mul", [1.0, -2.0, 3.0, -0.5]), ("Add", [0.3, 0.3, -1.0, 0.0])),
        (("Mul", [0.1, 0.2, -0.3, 0.7]), ("Sub", [5.0, 0.1, -0.1, 0.4])),
        (("Mul", [1.0, 0.0, 2.0, 0.0]), ("Add", [0.0, 2.0, 0.0, 2.0])),
        (("Mul", [0.0, 0.0, 0.0, 0.0]),),
        (("Mul", [0.0, 0.0, 0.0, 0.0]), ("Add", [1.0, 2.0, 2.0, 0.5])),
        (norm([1.0, 0.5, -1.0, 2.0], [0.0, 0.1, 0.2, 0.3], [1.0, 0.0, 2.0, -2.0], [1.0, 2.0, 3.0, 4.0]),),
        (norm([1.0, 0.0, -1.0, 2.0], [0.0, 0.1, 0.2, 0.0], [2.0, 0.0, 2.0, 2.0], [2.0, 2.0, 2.0, 8.0]),),
    ],
    ids=str,
)
def test_affine_by_class(operators: tuple[Any, ...]) -> None:
    assert_equal_to_oracle(model_with(*operators), frames=64)


def test_bias_of_the_last_layer() -> None:
    assert_equal_to_oracle(model_with(bias=[0.5, -0.25, 1.0, 3.0]), frames=64)


@pytest.mark.parametrize(
    ("operators", "opset", "dropped"),
    [
        ((("Softmax", {"axis": 1}),), 20, "Softmax 'softmax'"),
        ((("Softmax", {"axis": 1}),), 11, "Softmax 'softmax'"),
        ((("LogSoftmax", {"axis": -1}),), 20, "LogSoftmax 'logsoftmax'"),
        ((("Sigmoid",), ("Softplus",)), 20, "Sigmoid 'sigmoid', Softplus 'softplus'"),
        ((("LeakyRelu", {"alpha": 0.1}), ("Tanh",)), 20, "LeakyRelu 'leakyrelu', Tanh 'tanh'"),
        ((("ArgMax", {"axis": 1}),), 20, "ArgMax 'argmax'"),
        ((("Softmax", {"axis": 1}), ("ArgMax", {"axis": 1, "keepdims": 0})), 20, "Softmax 'softmax', ArgMax 'argmax'"),
        ((("Softmax", {"axis": 1}), ("Flatten",)), 20, "Softmax 'softmax'"),
    ],
    ids=str,
)
def test_rising_functions_at_the_end_are_dropped(operators: tuple[Any, ...], opset: int, dropped: str) -> None:
    plain = lower(model_with(("Mul", [1.0, -2.0, 3.0, -0.5])))
    network = lower(model_with(("Mul", [1.0, -2.0, 3.0, -0.5]), *operators, opset=opset))
    assert network.metadata["dropped"] == dropped
    for a, b in zip(last_of(plain), last_of(network), strict=True):
        for field in a.array_fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert plain.scores is not None
    assert network.scores is not None
    np.testing.assert_array_equal(plain.scores.scale, network.scores.scale)


BENDS = "must be affine over the scores after the last layer, not bend them: leave it out of the exported model"


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ((("Relu",),), f"Node 'relu' (Relu) {BENDS}"),
        ((("Clip", -1.0, 1.0),), f"Node 'clip' (Clip) {BENDS}"),
        ((("Abs",), ("Softmax",)), f"Node 'abs' (Abs) {BENDS}"),
        ((("LeakyRelu", {"alpha": -0.1}),), f"Node 'leakyrelu' (LeakyRelu) {BENDS}"),
        ((("Softmax", {"axis": 0}),), "Node 'softmax' (Softmax) must take all 4 scores together, not 1 along axis 0"),
        (
            (("ArgMax", {"axis": 1, "select_last_index": 1}),),
            "Node 'argmax' (ArgMax) must take the first at a tie, not the last one",
        ),
        (
            (("Tanh",), ("Mul", 2.0)),
            "Operator of node 'tanh' must be piecewise linear at its place, not Tanh: "
            "replace it by Clip (HardTanh), HardSigmoid or Relu",
        ),
    ],
    ids=str,
)
def test_other_ends_are_refused(operators: tuple[Any, ...], message: str) -> None:
    assert_refused(model_with(*operators), message)


def test_affine_that_no_key_orders() -> None:
    """Scales so far apart that only wider keys keep the order."""
    model = model_with(("Mul", [1e30, 1e-30, 1.0, 1.0]), ("Add", [0.0, 1e-30, 1e-20, 0.0]))
    message = (
        "Affine of the scores after node 'fc' must be ordered by keys of at most 62 bits, not by wider ones: "
        "round its scales and biases"
    )
    assert_refused(model, message)


def first_best(values: Sequence[Number]) -> int:
    return next(i for i, v in enumerate(values) if all(sign(v - other) >= 0 for other in values))


def assert_keys_decide(scales: list[Number], biases: list[Number], reach: int) -> tuple[list[int], list[int]]:
    """Compare the decisions for all totals of two classes at a time, and for all of three."""
    keys = order_keys(scales, biases, reach)
    assert keys is not None
    scale, offset = ([int(each) for each in part] for part in keys)
    assert min(scale) >= 1
    totals = range(-reach, reach + 1, 2)
    for some in product(totals, repeat=len(scales)) if len(scales) <= 3 else ():
        logits = [a * Fraction(t) + b for a, b, t in zip(scales, biases, some, strict=True)]
        integers = [Fraction(a * t + b) for a, b, t in zip(scale, offset, some, strict=True)]
        assert first_best(logits) == first_best(integers), some
    return scale, offset


numbers = st.one_of(st.integers(-3, 3).map(Fraction), st.fractions(-3, 3, max_denominator=12))


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(numbers.map(abs), numbers), min_size=1, max_size=3), st.integers(1, 6))
def test_keys_of_rational_affines(classes: list[tuple[Fraction, Fraction]], reach: int) -> None:
    assert_keys_decide([a for a, _ in classes], [b for _, b in classes], reach)


roots = st.integers(1, 12).map(lambda square: square_root(Fraction(square)))


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(numbers.map(abs), roots, numbers, roots), min_size=1, max_size=3), st.integers(1, 4))
def test_keys_of_affines_with_roots(classes: list[tuple[Fraction, Number, Fraction, Number]], reach: int) -> None:
    assert_keys_decide([a * r for a, r, _, _ in classes], [b * r for _, _, b, r in classes], reach)


@pytest.mark.parametrize(
    ("scales", "biases", "expected"),
    [
        ((7, 7, 7), (1, 1, 1), ([1, 1, 1], [0, 0, 0])),
        ((1, 2, 3), (0, 0, 0), ([1, 2, 3], [0, 0, 0])),
        ((5, 5, 5), (5, 10, 0), ([1, 1, 1], [1, 2, 0])),
        # Totals differ by 2 or not at all, so any bias between 0 and 2 decides as 1/2 does.
        ((1, 1, 1), (Fraction(float(np.float32(0.3))), 0, Fraction(float(np.float32(0.3)))), ([2, 2, 2], [1, 0, 1])),
    ],
)
def test_keys_are_narrow(scales: Any, biases: Any, expected: tuple[list[int], list[int]]) -> None:
    exact = [[Fraction(each) for each in part] for part in (scales, biases)]
    assert assert_keys_decide(*exact, 5) == expected  # type: ignore[arg-type]


def test_keys_with_dependent_roots_tie_exactly() -> None:
    """sqrt(8)*t and 2*sqrt(2)*t are the same number."""
    eight, two = square_root(Fraction(8)), 2 * square_root(Fraction(2))
    assert_keys_decide([eight, two, Fraction(1)], [Fraction(0), Fraction(0), eight], 5)


def test_keys_tie_exactly_beside_a_root() -> None:
    """Scores t and 3*t tie at 3 and 1; no power of two times 1/3 and 1 does."""
    assert_keys_decide([Fraction(0), Fraction(1), Fraction(3)], [square_root(Fraction(2)), Fraction(0), Fraction(0)], 3)


@pytest.mark.long
def test_keys_of_many_classes() -> None:
    scales = [Fraction(float(each)) for each in rng.random(40).astype(np.float32) + 0.5]
    biases = [Fraction(float(each)) for each in rng.normal(size=40).astype(np.float32)]
    keys = order_keys(scales, biases, 256)
    assert keys is not None
    points = [(c, t) for c in range(40) for t in range(-256, 257, 2)]
    exact = sorted(points, key=lambda p: (-(scales[p[0]] * p[1] + biases[p[0]]), p[0]))
    ours = sorted(points, key=lambda p: (-(int(keys[0][p[0]]) * p[1] + int(keys[1][p[0]])), p[0]))
    assert exact == ours


@given(st.lists(numbers, min_size=2, max_size=4), numbers.map(abs).filter(bool), st.integers(0, 6))
@settings(max_examples=examples(100))
def test_one_scale_is_decided_as_by_sorting(biases: list[Fraction], scale: Fraction, reach: int) -> None:
    """Keys from differences are those that keep the sorted order of all totals."""
    scales = [scale] * len(biases)
    found, order = order_keys(scales, biases, reach), order_keys_module._preferred(scales, biases, reach)
    candidates = (order_keys_module._spread(*keys, reach) for keys in order_keys_module._candidates(scales, biases))
    expected = next(keys for keys in candidates if keys is not None and order_keys_module._keeps(*keys, order=order))
    if any(bias != biases[0] for bias in biases):
        assert found is not None
        assert [each.tolist() for each in found] == [each.tolist() for each in expected]


@settings(max_examples=examples(60), print_blob=True)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.fractions(-3, 3, max_denominator=9)), min_size=2, max_size=4),
    st.sampled_from([Fraction(1, 3), square_root(Fraction(2))]),
    st.integers(1, 9),
)
def test_multiples_of_one_scale_decide(classes: list[tuple[int, Fraction]], unit: Number, reach: int) -> None:
    assert_keys_decide([unit * multiple for multiple, _ in classes], [bias for _, bias in classes], reach)


def test_multiples_of_one_scale_have_narrow_keys() -> None:
    """Rows of weights with a common factor; with millions of totals, no order of them is sorted."""
    unit = Fraction(1988335, 924506648576)
    bias = Fraction(-84054651872041, 4945997364985856)
    found = order_keys([unit, unit, 2 * unit], [bias] * 3, 1 << 23)
    assert found is not None
    assert [each.tolist() for each in found] == [[1, 1, 2], [0, 0, 0]]
    keys = order_keys([unit, 3 * unit, 2 * unit], [bias, bias / 7, -bias], 1 << 23)
    assert keys is not None
    assert int(keys[0].max()) << 23 < 1 << 40


def test_scores_of_millions_of_points() -> None:
    """A classifier with weights of 8 bits on sums, with a bias, has more totals than can be sorted."""
    biases = [Fraction(float(np.float32(each))) for each in rng.normal(size=10)]
    scale = Fraction(1, 1 << 14)
    keys = order_keys([scale] * 10, biases, 50_000_000)
    assert keys is not None
    totals = rng.integers(-1000, 1000, (1000, 10)) * 2
    exact = [max(range(10), key=lambda c: (scale * int(row[c]) + biases[c], -c)) for row in totals]
    assert (keys[0] * totals + keys[1]).argmax(1).tolist() == exact
    scales = [scale * (index + 1) for index in range(10)]
    assert order_keys(scales, [Fraction(index, 8) for index in range(10)], 50_000_000) is not None
    roots = [scale * square_root(Fraction(2 + index)) for index, scale in enumerate(scales)]
    assert order_keys(roots, [Fraction(index, 8) for index in range(10)], 50_000_000) is None
