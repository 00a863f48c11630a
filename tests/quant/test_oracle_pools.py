"""Pools over whole arrays, against onnx's own, which visit each window."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from quant.oracle import OPERATORS

rng = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_pools(kind: str, dtype: type, attributes: dict[str, list[int]]) -> None:
    given = {key: value for key, value in attributes.items() if kind == "AveragePool" or key != "count_include_pad"}
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [onnx.helper.make_tensor_value_info(name, element, None) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node(kind, ["x"], ["y"], **given)], "pool", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)])
    x = rng.normal(size=(2, 3, 8, 7)).astype(dtype)
    found, expected = (ReferenceEvaluator(model, new_ops=ops).run(None, {"x": x})[0] for ops in (OPERATORS, None))
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
