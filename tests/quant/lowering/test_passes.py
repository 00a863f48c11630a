"""Every pass on its own, and what is checked after each."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from quant.lowering import PASSES
from quant.lowering.graph.checks import check
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import ClassDecision, MatrixProduct, Thresholding, WindowMaximum
from quant.lowering.graph.operations import Elementwise, LinearLayer, MaxPooling, NonRational, Operator, Rearrangement
from quant.lowering.graph.sites import Window
from quant.lowering.passes import (
    absorb_streams,
    choose_output,
    drop_functions,
    find_layers,
    flatten_order,
    fuse_thresholds,
    snap_weights,
    type_operators,
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


def test_type_operators() -> None:
    graph = after(type_operators)
    assert kinds(graph) == [
        *("Sub", "BipolarQuant", "Rearrangement", "Gemm", "BatchNormalization", "NonRational", "BipolarQuant"),
        *("MatMul", "Add", "Mul", "NonRational"),
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
    layers = [each for each in graph.operations if isinstance(each, LinearLayer)]
    assert [(each.name, each.weights.shape) for each in layers] == [("fc0", (3, 8)), ("fc1", (2, 3))]
    np.testing.assert_array_equal(layers[1].weights.values, W1 * 0.5)


def test_drop_functions() -> None:
    graph = after(drop_functions)
    assert not any(isinstance(each, NonRational) for each in graph.operations)
    assert graph.metadata["dropped"] == "Softmax 'soft'"
    assert graph.label(graph.ends[0].tensor).startswith("mul")


def test_flatten_order() -> None:
    graph = after(flatten_order)
    assert not any(isinstance(each, Rearrangement) for each in graph.operations)
    assert graph.shapes[graph.input] == (8,)
    shift = graph.constants[graph.operations[0].inputs[1]]
    np.testing.assert_array_equal(shift.values, [0.25, 0.75] * 4)  # channels last
    first = next(each for each in graph.operations if isinstance(each, LinearLayer))
    np.testing.assert_array_equal(first.weights.values, W0.reshape(3, 2, 4).transpose(0, 2, 1).reshape(3, 8))


def test_snap_weights_does_nothing_unasked() -> None:
    graph = after(find_layers)
    assert snap_weights(graph) is graph


def test_snap_weights_takes_the_size_that_most_weights_have() -> None:
    net = Builder((1, 4))
    noisy = np.array([[1.0, -1.0000001, 1.0, 1.0], [0.5, 0.5, -0.25, 0.5]], np.float32)
    x = net("MatMul", net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), noisy.T, name="fc")
    graph = read_graph(net.model(x), name="test", weight_tolerance=1e-6)
    for run in PASSES[: PASSES.index(snap_weights) + 1]:
        graph = check(run(graph), run.__name__)
    layer = next(each for each in graph.operations if isinstance(each, LinearLayer))
    np.testing.assert_array_equal(layer.weights.values, [[1, -1, 1, 1], [0.5, 0.5, -0.25, 0.5]])
    assert graph.metadata["weights_changed"] == "fc 1.2e-07"


def test_choose_output() -> None:
    assert [end.kind for end in after(choose_output).ends] == ["class"]


def test_absorb_streams() -> None:
    graph = after(absorb_streams)
    assert kinds(graph) == ["Thresholding", "MatrixProduct", "Thresholding", "MatrixProduct", "ClassDecision"]
    bits, _, comparison, last, classes = graph.operations
    assert isinstance(bits, Thresholding)
    assert bits.thresholds.tolist() == [64, 192] * 4
    stream = graph.streams[bits.output]
    assert (stream.slope.item(), stream.offset.item(), stream.points.tolist()) == (Fraction(1, 2), 0, [-1, 1])
    # Sums are total/2: at least 2 from total 4 on; the falling one is inverted, total' > -6; the last always.
    assert isinstance(comparison, Thresholding)
    assert comparison.thresholds.tolist() == [4, -5, -8]
    assert isinstance(last, MatrixProduct)
    np.testing.assert_array_equal(last.weights, -W1)  # since the scores fall with the sums
    assert isinstance(classes, ClassDecision)
    (end,) = graph.ends
    assert end.scores is not None
    assert (end.tensor, end.scores.tensor) == (classes.output, last.output)
    np.testing.assert_array_equal(end.scores.scale, [1.0, 1.0])
    np.testing.assert_array_equal(end.scores.bias, [-1.0, 1.0])


def test_fuse_thresholds() -> None:
    graph = after(fuse_thresholds)
    assert kinds(graph) == ["Thresholding", "MatrixProduct", "MatrixProduct", "ClassDecision"]
    layer = graph.operations[1]
    assert isinstance(layer, MatrixProduct)
    assert layer.thresholds is not None
    assert layer.thresholds.tolist() == [6, 2, 0]  # of ones, which are (total + 8) / 2


def broken(what: str) -> Graph:
    graph = after(flatten_order)
    subtract, bits, dense = graph.operations[:3]
    assert isinstance(dense, LinearLayer)
    rest = graph.operations[3:]
    if what == "order":
        return replace(graph, operations=(bits, subtract, dense, *rest))
    if what == "twice":
        return replace(graph, operations=(subtract, bits, bits, dense, *rest))
    if what == "shape":
        return replace(graph, shapes={k: v for k, v in graph.shapes.items() if k != dense.output})
    if what == "output":
        return replace(graph, ends=(replace(graph.ends[0], tensor="nothing"),))
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
    settled = after(absorb_streams)
    first = settled.operations[0]
    assert isinstance(first, Thresholding)
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
    assert kinds(graph).count("MaxPooling") == kinds(graph).count("Pad") == 1
    conv = next(each for each in graph.operations if isinstance(each, LinearLayer))
    assert conv.weights.shape == (3, 8)
    assert conv.site.window == Window((2, 2), (1, 1), (1, 1), (0, 0, 0, 0))


def test_images_are_known_by_their_layers_after_flatten_order() -> None:
    graph = images_after(flatten_order)
    assert not {"Pad", "Rearrangement"} & set(kinds(graph))
    assert graph.image == (4, 5, 2)
    conv, dense = (each for each in graph.operations if isinstance(each, LinearLayer))
    assert conv.site.image == (4, 5, 2)
    assert conv.site.window == Window((2, 2), (1, 1), (1, 1), (1, 0, 0, 0))
    assert conv.site.positions == (4, 4)
    assert conv.site.padding is not None
    assert conv.site.padding.name == "pad"
    pool = next(each for each in graph.operations if isinstance(each, MaxPooling))
    assert (pool.name, pool.image) == ("pool", (4, 4, 3))
    assert dense.site.image == (2, 2, 3)
    assert graph.shapes[conv.output] == graph.shapes[dense.source] == (3,)


def test_max_pool_of_a_falling_channel_exchanges_the_bits_in_absorb_streams() -> None:
    graph = images_after(absorb_streams)
    conv, bits, pool = graph.operations[1:4]
    assert isinstance(conv, MatrixProduct)
    assert isinstance(bits, Thresholding)
    assert isinstance(pool, WindowMaximum)
    np.testing.assert_array_equal(graph.streams[pool.output].slope.floats(), [1, -1, 1])
    assert conv.site.pad == 0


def test_check_of_a_layer_on_an_image() -> None:
    graph = images_after(flatten_order)
    broken = replace(
        graph,
        operations=tuple(
            replace(each, weights=each.weights.map(lambda values: values[:, 1:]))
            if isinstance(each, LinearLayer)
            else each
            for each in graph.operations
        ),
    )
    message = "after breaking: 'conv' reads 7 numbers, not the 8 of 'bits'"
    with pytest.raises(AssertionError, match=f"^{re.escape(message)}$"):
        check(broken, "breaking")
