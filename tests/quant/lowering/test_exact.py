"""The exact evaluator against onnx's reference evaluator, operator by operator, on numbers that float32 holds."""

from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from quant.oracle import BipolarQuant, Quant
from tests.quant.lowering.exact import Evaluation, best_classes
from tests.quant.lowering.exact_numbers import Numbers, curve, square_root
from tests.quant.lowering.oracle import Builder

pytestmark = pytest.mark.train

IMAGE, SIGNAL, VECTOR = (1, 2, 4, 5), (1, 3, 7), (1, 6)
SIGNED = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
I64 = np.int64

#: Operator, shape of its input, further operands, attributes.
CASES: list[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    *[
        (kind, VECTOR, (), {})
        for kind in (
            *("Abs", "Ceil", "Floor", "Round", "Neg", "Relu", "LeakyRelu", "HardSigmoid", "HardSwish", "Sign"),
            *("Identity", "Dropout", "Tanh", "Sigmoid", "Softplus", "Softsign", "Sinh", "Asinh", "Exp"),
            *("Softmax", "LogSoftmax"),
        )
    ],
    ("HardSigmoid", VECTOR, (), {"alpha": 0.5, "beta": 0.25}),
    ("LeakyRelu", VECTOR, (), {"alpha": 0.5}),
    ("PRelu", IMAGE, ([[[0.5]], [[-1.0]]],), {}),
    *[(kind, IMAGE, ([[[0.5]], [[-1.5]]],), {}) for kind in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean")],
    ("Pow", VECTOR, (3.0,), {}),
    ("Clip", VECTOR, (-1.0, 0.5), {}),
    ("BatchNormalization", IMAGE, ([1.0, -2.0], [0.5, 0.0], [1.0, 2.0], [0.5, 4.0]), {"epsilon": 1e-3}),
    ("BipolarQuant", VECTOR, (0.5,), {}),
    ("Quant", VECTOR, (0.5, 1.0, 3.0), SIGNED),
    ("Quant", VECTOR, (0.5, 0.0, 1.0), SIGNED),
    ("Quant", VECTOR, (0.25, 0.0, 3.0), {"signed": 0, "narrow": 1, "rounding_mode": "CEIL"}),
    *[
        ("Quant", VECTOR, (1.0, 0.0, 3.0), {"signed": 1, "narrow": 1, "rounding_mode": mode})
        for mode in ("FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "HALF_EVEN")
    ],
    ("Gemm", VECTOR, (np.eye(6)[:4] - 0.5, [1.0, 2.0, 3.0, 4.0]), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("MatMul", VECTOR, (np.eye(6)[:, :4] - 0.5,), {}),
    ("MatMul", SIGNAL, (np.eye(7)[:, :2] - 0.5,), {}),
    ("Conv", IMAGE, (np.arange(36).reshape(2, 2, 3, 3) % 5 - 2, [0.5, 1.0]), {"pads": [1, 0, 0, 2], "strides": [2, 1]}),
    ("Conv", IMAGE, (np.arange(8).reshape(4, 1, 2, 1) % 3 - 1,), {"group": 2, "dilations": [2, 1]}),
    ("ConvTranspose", IMAGE, (np.arange(24).reshape(2, 3, 2, 2) % 5 - 2, [0.5, 1.0, -1.0]), {"strides": [2, 2]}),
    (
        "ConvTranspose",
        IMAGE,
        (np.arange(18).reshape(2, 1, 3, 3) % 5 - 2,),
        {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 0], "dilations": [1, 2], "group": 2},
    ),
    ("ConvTranspose", SIGNAL, (np.arange(24).reshape(3, 2, 4) % 5 - 2,), {"strides": [2], "pads": [1, 1]}),
    *[("DepthToSpace", (1, 8, 2, 3), (), {"blocksize": 2, "mode": mode}) for mode in ("DCR", "CRD")],
    ("SpaceToDepth", (1, 3, 4, 6), (), {"blocksize": 2}),
    ("Tile", IMAGE, (np.array([1, 1, 2, 3], I64),), {}),
    *[
        (
            "Resize",
            IMAGE,
            ("", np.array([1, 1, 2, scale], np.float32)),
            {"coordinate_transformation_mode": way, "nearest_mode": rounding, "mode": "nearest"},
        )
        for way in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
        for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        for scale in ((2.0,) if way == "align_corners" else (2.0, 1.5))
    ],
    ("Resize", IMAGE, ("", "", np.array([1, 2, 8, 5], I64)), {"coordinate_transformation_mode": "asymmetric"}),
    ("Conv", SIGNAL, (np.arange(18).reshape(2, 3, 3) % 5 - 2,), {"auto_pad": "SAME_UPPER", "strides": [2]}),
    ("MaxPool", IMAGE, (), {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]}),
    ("MaxPool", IMAGE, (), {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", IMAGE, (), {"kernel_shape": [2, 2], "strides": [2, 1], "pads": [1, 1, 1, 0]}),
    ("AveragePool", IMAGE, (), {"kernel_shape": [2, 2], "pads": [1, 1, 1, 0], "count_include_pad": 1}),
    ("AveragePool", SIGNAL, (), {"kernel_shape": [4], "strides": [2], "ceil_mode": 1}),
    ("GlobalAveragePool", IMAGE, (), {}),
    ("GlobalMaxPool", IMAGE, (), {}),  # of signals the reference takes the channels too
    ("ReduceMean", IMAGE, (np.array([2, 3]),), {"keepdims": 0}),
    ("ReduceMax", SIGNAL, (np.array([2]),), {}),
    ("Pad", IMAGE, (np.array([0, 0, 1, 0, 0, 0, 2, 1]), 1.5), {}),
    ("Reshape", IMAGE, (np.array([0, -1, 2]),), {}),
    ("Flatten", IMAGE, (), {"axis": 2}),
    ("Transpose", IMAGE, (), {"perm": [0, 2, 3, 1]}),
    ("Transpose", SIGNAL, (), {}),
    ("Squeeze", VECTOR, (np.array([0]),), {}),
    ("Unsqueeze", VECTOR, (np.array([0, -1]),), {}),
    ("Gather", IMAGE, (np.array([1, 0, 1]),), {"axis": 1}),
    ("Slice", IMAGE, tuple(np.array(each) for each in ([3, 0], [-(2**63) + 1, 2**63 - 1], [2, 3], [-1, 2])), {}),
    ("Expand", VECTOR, (np.array([3, 6]),), {}),
    ("ArgMax", IMAGE, (), {"axis": 1, "keepdims": 0}),
    ("ArgMax", IMAGE, (), {"axis": 3, "select_last_index": 1}),
    ("Shape", IMAGE, (), {}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operator_means_what_onnx_says(case: tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]) -> None:
    kind, shape, operands, attributes = case
    net = Builder(shape, opset=20)
    given = [each if isinstance(each, str) else np.asarray(each) for each in operands]
    stored = [
        each if isinstance(each, str) else net.constant(each, I64 if each.dtype == I64 else np.float32)
        for each in given
    ]
    model = net.model(net(kind, net.input, *stored, **attributes))
    frames = np.random.default_rng(1).integers(-8, 9, (5, *shape)) / 4
    found = Evaluation(model, {net.input: Numbers.of(frames).move(lambda tops: tops[0])})
    values = found.tensor(found.output).floats()
    evaluator = ReferenceEvaluator(model, new_ops=[BipolarQuant, Quant])
    expected = [evaluator.run(None, {net.input: frame.astype(np.float32)})[0] for frame in frames]
    np.testing.assert_allclose(np.broadcast_to(values, np.shape(expected)), expected, rtol=1e-5, atol=1e-6)


def test_concatenation_repeats_constants_for_all_frames() -> None:
    net = Builder((1, 2))
    model = net.model(net("Concat", net.input, [[7.0]], axis=-1))
    found = Evaluation(model, {net.input: Numbers.of([[[1, 2]], [[3, 4]]]).move(lambda tops: tops[0])})
    assert found.tensor(found.output).floats().tolist() == [[[1, 2, 7]], [[3, 4, 7]]]


def test_ties_of_square_roots_are_ties() -> None:
    """sqrt(8) - 2 sqrt(2) is zero, and half of a root of a square is a half."""
    eight, two = square_root(Numbers.of(8)), square_root(Numbers.of(2))
    difference = eight - two - two
    assert difference.signs().item() == 0
    assert (difference + Numbers.of(0.5)).step(round).tops.item() == 0
    assert (difference + Numbers.of(1.5)).step(round).tops.item() == 2
    assert square_root(Numbers.of(2.25)).rough is False
    assert (difference + Numbers.of(1e-30)).signs().item() == 1
    assert best_classes(Numbers(np.array([[[8, 8, 3]], [[1, 2, 2]]], object))).tolist() == [0, 1]


def test_curves_have_many_digits() -> None:
    one = curve(lambda v, c: c.exp(v), Numbers.of(1)) * curve(lambda v, c: c.exp(v), Numbers.of(-1))
    assert abs(one.fractions().item() - 1) < 1e-90
