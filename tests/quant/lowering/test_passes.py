"""Every pass on its own, and what is checked after each."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from quant.lowering import PASSES
from quant.lowering.graph.checks import check
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import Classes, InputBits, Layer, Sums
from quant.lowering.graph.operations import Curve, Dense, Elementwise, Layout, Operator
from quant.lowering.graph.sites import Window
from quant.lowering.passes import (
    absorb_chains,
    drop_curves,
    find_layers,
    flatten_order,
    fold_constants,
    settle_input,
    settle_scores,
)
from quant.lowering.reading.model_file import read_graph
from tests.quant.lowering.oracle import Builder

W0 = np.random.default_rng(1).choice([-1.0, 1.0], (3, 8))
W1 = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


def graph_of() -> Graph:
    """Return a model of every kind of operation: 2x2x2 pixels, three neurons, two classes."""
    net = Builder((1, 2, 2, 2))
    x = net("BipolarQuant", net("Sub", net.input, np.array([0.25, 0.75]).reshape(2, 1, 1)), 0.5, name="bits")
    x = net.dense(net("Flatten", x), W0, name="fc0")
    x = net("Tanh", net.batch_norm(x, [1.0, -1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 2.0, 0.0], [1.0, 1.0, 1.0], name="norm"))
    x = net("MatMul", net("BipolarQuant", x, 1.0, name="sign"), W1.T * 0.5, name="fc1")
    x = net("Softmax", net("Mul", net("Add", x, [0.5, -0.5]), -2.0), axis=1, name="soft")
    net("Relu", x)  # nobody reads it
    return read_graph(net.model(x), name="test", input_kind="uint8/255", source="")


def after(last: object) -> Graph:
    graph = graph_of()
    for run in PASSES:
        graph = check(run(graph), run.__name__)
        if run is last:
            return graph
    raise AssertionError("no such pass")


def kinds(graph: Graph) -> list[str]:
    return [each.kind if isinstance(each, Operator) else type(each).__name__ for each in graph.operations]


def test_reading_leaves_out_what_nobody_reads() -> None:
    assert "Relu" not in kinds(graph_of())
    assert graph_of().frame_shape == (2, 2, 2)


def test_fold_constants() -> None:
    graph = after(fold_constants)
    assert kinds(graph) == [
        *("Sub", "BipolarQuant", "Layout", "Gemm", "BatchNormalization", "Curve", "BipolarQuant", "MatMul", "Add"),
        *("Mul", "Curve"),
    ]
    assert isinstance(graph.operations[0], Elementwise)
    weights = graph.constants[graph.operations[3].inputs[1]]
    np.testing.assert_array_equal(weights.values, W0)
    norm = graph.operations[4]
    root = graph.constants[norm.inputs[4]].values
    assert [each * each for each in root] == [Fraction(float(np.float32(1e-5))) + 1] * 3
    assert [graph.shapes[each.output] for each in graph.operations[:4]] == [(1, 2, 2, 2)] * 2 + [(1, 8), (1, 3)]


def test_find_layers() -> None:
    graph = after(find_layers)
    layers = [each for each in graph.operations if isinstance(each, Dense)]
    assert [(each.name, each.weights.shape) for each in layers] == [("fc0", (3, 8)), ("fc1", (2, 3))]
    np.testing.assert_array_equal(layers[1].weights.values, W1 * 0.5)


def test_drop_curves() -> None:
    graph = after(drop_curves)
    assert not any(isinstance(each, Curve) for each in graph.operations)
    assert graph.metadata["dropped"] == "Softmax 'soft'"
    assert graph.label(graph.output).startswith("mul")


def test_flatten_order() -> None:
    graph = after(flatten_order)
    assert not any(isinstance(each, Layout) for each in graph.operations)
    assert graph.shapes[graph.input] == (8,)
    shift = graph.constants[graph.operations[0].inputs[1]]
    np.testing.assert_array_equal(shift.values, [0.25, 0.75] * 4)  # channels last
    first = next(each for each in graph.operations if isinstance(each, Dense))
    np.testing.assert_array_equal(first.weights.values, W0.reshape(3, 2, 4).transpose(0, 2, 1).reshape(3, 8))


def test_settle_input() -> None:
    graph = after(settle_input)
    bits = graph.operations[0]
    assert isinstance(bits, InputBits)
    assert bits.thresholds.tolist() == [64, 192] * 4
    assert (bits.zero.item(), bits.one.item()) == (Fraction(-1, 2), Fraction(1, 2))
    assert kinds(graph)[1:] == ["Dense", "BatchNormalization", "BipolarQuant", "Dense", "Add", "Mul"]


def test_absorb_chains() -> None:
    graph = after(absorb_chains)
    assert kinds(graph) == ["InputBits", "Layer", "Sums", "Add", "Mul"]
    layer, sums = graph.operations[1:3]
    assert isinstance(layer, Layer)
    assert isinstance(sums, Sums)
    # Sums are total/2: at least 2 from total 4 on, ones 6; the falling one is inverted, total' >= -4; the last always.
    assert layer.thresholds.tolist() == [6, 2, 0]
    assert sums.slope.item() == Fraction(1, 2)
    np.testing.assert_array_equal(sums.signs, W1)


def test_settle_scores() -> None:
    graph = after(settle_scores)
    assert kinds(graph) == ["InputBits", "Layer", "Classes"]
    classes = graph.operations[2]
    assert isinstance(classes, Classes)
    np.testing.assert_array_equal(classes.signs, -W1)
    np.testing.assert_array_equal(classes.logit_scale, [1.0, 1.0])
    np.testing.assert_array_equal(classes.logit_bias, [-1.0, 1.0])


def broken(what: str) -> Graph:
    graph = after(flatten_order)
    subtract, bits, dense = graph.operations[:3]
    assert isinstance(dense, Dense)
    rest = graph.operations[3:]
    if what == "order":
        return replace(graph, operations=(bits, subtract, dense, *rest))
    if what == "twice":
        return replace(graph, operations=(subtract, bits, bits, dense, *rest))
    if what == "shape":
        return replace(graph, shapes={k: v for k, v in graph.shapes.items() if k != dense.output})
    if what == "output":
        return replace(graph, output="nothing")
    if what == "columns":
        narrow = replace(dense, weights=dense.weights.map(lambda values: values[:, 1:]))
        return replace(graph, operations=(subtract, bits, narrow, *rest))
    if what == "rows":
        short = replace(dense, weights=dense.weights.map(lambda values: values[1:]))
        return replace(graph, operations=(subtract, bits, short, *rest))
    if what == "parameters":
        name = subtract.inputs[1]
        constants = {**graph.constants, name: graph.constants[name].map(lambda values: values[1:])}
        return replace(graph, constants=constants)
    settled = after(settle_input)
    first = settled.operations[0]
    assert isinstance(first, InputBits)
    fewer = replace(first, thresholds=first.thresholds[:3])
    return replace(settled, operations=(fewer, *settled.operations[1:]))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("order", "after work: 'bits' reads 't0', which nobody writes before it"),
        ("twice", "after work: 'bits' writes 't1' a second time"),
        ("shape", "after work: 'fc0' writes 't4' without a shape"),
        ("output", "after work: nobody writes the output 'nothing'"),
        ("columns", "after work: 'fc0' reads 7 numbers, not the 8 of 'bits'"),
        ("rows", "after work: 'fc0' writes 2 numbers, not the 3 of 't4'"),
        ("parameters", "after work: 'sub_t0' combines [(8,), (7,)], which do not fit"),
        ("thresholds", "after work: 'bits' has 3 thresholds, not the 8 of 'image'"),
    ],
)
def test_check_names_the_node_and_its_neighbour(what: str, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{re.escape(message)}$"):
        check(broken(what), "work")


def images_after(last: object) -> Graph:
    """Return a model of images: padded convolution, pool, convolution over the rest."""
    net = Builder((1, 2, 4, 5))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="bits")
    x = net.conv(net.pad(x, (1, 0, 0, 0), -1.0, name="pad"), np.ones((3, 2, 2, 2)), name="conv")
    x = net("MaxPool", x, name="pool", kernel_shape=[2, 2], strides=[2, 2])
    x = net.batch_norm(x, [1.0, -1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 2.0, 0.0], [1.0, 1.0, 1.0], name="norm")
    x = net("BipolarQuant", x, 1.0, name="sign")
    model = net.model(net.dense(net("Flatten", x), np.ones((2, 12)), name="fc"))
    graph = read_graph(model, name="test", input_kind="uint8/255", source="")
    for run in PASSES:
        graph = check(run(graph), run.__name__)
        if run is last:
            return graph
    raise AssertionError("no such pass")


def test_images_have_their_windows_after_find_layers() -> None:
    graph = images_after(find_layers)
    assert kinds(graph).count("Pool") == kinds(graph).count("Pad") == 1
    conv = next(each for each in graph.operations if isinstance(each, Dense))
    assert conv.weights.shape == (3, 8)
    assert conv.site.window == Window((2, 2), (1, 1), (1, 1), (0, 0, 0, 0))


def test_images_are_known_by_their_layers_after_flatten_order() -> None:
    graph = images_after(flatten_order)
    assert not {"Pool", "Pad", "Layout"} & set(kinds(graph))
    assert graph.image == (4, 5, 2)
    conv, dense = (each for each in graph.operations if isinstance(each, Dense))
    assert conv.site.image == (4, 5, 2)
    assert conv.site.window == Window((2, 2), (1, 1), (1, 1), (1, 0, 0, 0))
    assert conv.site.positions == (4, 4)
    assert conv.site.padding is not None
    assert conv.site.padding.name == "pad"
    assert [(pool.name, pool.image) for pool in dense.site.pools] == [("pool", (4, 4, 3))]
    assert dense.site.image == (2, 2, 3)
    assert graph.shapes[conv.output] == graph.shapes[dense.source] == (3,)


def test_max_pool_of_a_falling_channel_exchanges_the_bits_in_absorb_chains() -> None:
    layer = next(each for each in images_after(absorb_chains).operations if isinstance(each, Layer))
    np.testing.assert_array_equal(layer.zero.floats(), [-1, 1, -1])
    np.testing.assert_array_equal(layer.one.floats(), [1, -1, 1])
    assert layer.site.pad == 0


def test_check_of_a_layer_on_an_image() -> None:
    graph = images_after(flatten_order)
    broken = replace(
        graph,
        operations=tuple(
            replace(each, weights=each.weights.map(lambda values: values[:, 1:])) if isinstance(each, Dense) else each
            for each in graph.operations
        ),
    )
    message = "after breaking: 'conv' reads 7 numbers, not the 8 of 'bits'"
    with pytest.raises(AssertionError, match=f"^{re.escape(message)}$"):
        check(broken, "breaking")
