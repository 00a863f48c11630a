"""Random graphs, legal and not: each is lowered and equals exact evaluation, or is refused in a sentence."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

import hwsim
from dataflow import BIPOLAR, InputError, MatrixVector
from tests.quant.lowering import random_graphs_check
from tests.quant.lowering.assertions import assert_exact
from tests.quant.lowering.exact import Evaluation
from tests.quant.lowering.exact_numbers import Numbers
from tests.quant.lowering.oracle import Builder
from tests.quant.lowering.random_graphs import make, options_of
from tests.quant.lowering.random_graphs_check import check, check_refusal, compare, compare_output
from tests.quant.lowering.random_graphs_failures import described, failure_of, judged, shrunk
from tests.quant.lowering.test_maps import signs


def assert_graphs(seeds: range) -> None:
    """Check the graphs of some seeds; say which fail, and how the first of each kind looks when it is small."""
    results = {seed: judged(make(seed), seed, **options_of(seed)) for seed in seeds}
    lowered = sum(done for done, _ in results.values())
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {lowered} of {len(seeds)} lowered and equal")
    failures = {seed: text for seed, (_, text) in results.items() if text}
    examples = {failure: seed for seed, failure in reversed(failures.items())}
    texts = [
        f"seed {seed}, {options_of(seed)}: {failure}\n{described(shrunk(make(seed), seed, **options_of(seed)))}"
        for failure, seed in examples.items()
    ]
    assert lowered >= len(seeds) // 4, "the generator makes too few graphs that can be lowered"
    assert not failures, f"{len(failures)} of {len(seeds)} graphs fail\n" + "\n".join(texts)


@pytest.mark.long
def test_random_graphs() -> None:
    assert_graphs(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(12))
def test_many_random_graphs(part: int) -> None:
    assert_graphs(range(1000 + 100 * part, 1000 + 100 * (part + 1)))


@pytest.mark.long
def test_a_threshold_that_is_off_by_one_is_found() -> None:
    """The comparison has teeth: of some graph at least, a threshold cannot move unseen."""
    found = 0
    for seed in range(40):
        model, rng = make(seed), np.random.default_rng(seed)
        network = check(model, rng).network
        nodes = [] if network is None else [node for node in network.nodes if isinstance(node, MatrixVector)]
        hidden = next((node for node in nodes if node.thresholds is not None and node.operand == BIPOLAR), None)
        if network is None or hidden is None:
            continue
        moved = replace(hidden, thresholds=np.minimum(hidden.thresholds + 1, hidden.weights.shape[1] + 1))
        broken = replace(network, nodes=tuple(moved if node is hidden else node for node in network.nodes))
        try:
            compare(model, broken, rng)
        except AssertionError:
            found += 1
    assert found >= 3


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 100.0), (1.0, -100.0), (-1.0, 100.0), (-1.0, -100.0)])
def test_bits_that_are_all_alike_after_a_max_pool_are_compared(scale: float, bias: float) -> None:
    """Of what the pool gives only the quantizer says which of its two numbers it is; a bit of 1 is the greater one."""
    net = Builder((1, 2, 4, 5))
    sums = net.conv(net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), signs(3, 2, 2, 2), name="conv")
    bits = net("BipolarQuant", net("Add", sums, bias), scale)
    pooled = net("MaxPool", bits, kernel_shape=[1, 1], strides=[2, 2])
    network = assert_exact(net.model(pooled))
    found = hwsim.predict(network, np.zeros((1, 4, 5, 2), np.int64)).predictions
    assert (found == (bias * scale > 0)).all()
    conv = next(node for node in network.nodes if isinstance(node, MatrixVector))
    assert conv.thresholds is not None
    other = replace(conv, thresholds=np.full_like(conv.thresholds, 0 if found.min() == 0 else conv.synapses + 1))
    broken = replace(network, nodes=tuple(other if node is conv else node for node in network.nodes))
    with pytest.raises(AssertionError, match="bits differ from exact evaluation"):
        compare(net.model(pooled), broken, np.random.default_rng(0))


@pytest.mark.parametrize("outputs", ["scores", "both"])
def test_predictions_of_a_model_that_ends_in_positions_are_compared(outputs: str) -> None:
    """Where only its scores are asked for, they are the classes at each position."""
    net = Builder((1, 2, 4, 5))
    heat = net.conv(net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), signs(3, 2, 2, 2), name="heat")
    model = net.model(net("ArgMax", net.reshape(heat, 1, 3, -1), axis=2))
    network = assert_exact(model, outputs=outputs)
    frames = np.random.default_rng(0).integers(0, 256, (4, 4, 5, 2))
    given = {net.input: Numbers(np.moveaxis(frames, -1, 1)[:, None].astype(object), 255)}
    found = hwsim.predict(network, frames)
    assert found.predictions.shape == ((4, 3, 4) if outputs == "scores" else (4, 3))
    wrong = replace(found, predictions=(found.predictions + 1) % 3)
    compare_output(model, network, Evaluation(model, given), found, found, slice(None))
    with pytest.raises(AssertionError, match="classes differ from exact evaluation"):
        compare_output(model, network, Evaluation(model, given), wrong, wrong, slice(None))


def test_a_graph_that_fails_becomes_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a graph that crashes because of one operator, this operator is left."""

    def crash(model: onnx.ModelProto, **options: Any) -> None:
        if any(node.op_type == "Gemm" for node in model.graph.node):
            raise KeyError("dense")
        raise InputError("Model must have a Gemm, not none")

    monkeypatch.setattr(random_graphs_check, "lower", crash)
    seed = next(seed for seed in range(20) if failure_of(make(seed), seed))
    small = shrunk(make(seed), seed)
    assert [node.op_type for node in small.graph.node] == ["Gemm"]
    assert re.match(r"KeyError in .*: 'dense'$", failure_of(small, seed))
    assert described(small).count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["", "Add is bad", "Thing must be 1, not 2\nThing must be 1, not 2", "Thing must be an array, not <class 'int'>"],
)
def test_refusals_that_are_no_sentences_are_found(text: str) -> None:
    with pytest.raises(AssertionError, match=r"^refusal "):
        check_refusal(text)
