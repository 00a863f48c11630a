"""Random graphs, legal and not: each is lowered and equals exact evaluation, or is refused in a sentence."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import BIPOLAR, InputError, MatrixVector
from tests.quant.lowering import random_graphs_check
from tests.quant.lowering.random_graphs import make, options_of
from tests.quant.lowering.random_graphs_check import check, check_refusal, compare
from tests.quant.lowering.random_graphs_failures import described, failure_of, judged, shrunk


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
