"""Showing the scores beside the class, on unfolded and folded networks; lowering without torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from dataflow import Fork, InputError, expose_scores, fold
from hwsim.reference import evaluate
from quant.lowering import lower
from sim_tests.cases import CASES, Case, dense_network, random_frames
from tests.quant.lowering.oracle import Builder


@pytest.mark.parametrize("case", [case for case in CASES if case.outputs == "class"], ids=str)
def test_expose_scores(case: Case) -> None:
    network = case.network()
    both = expose_scores(network)
    assert [terminal.name for terminal in both.outputs] == ["scores", "class"]
    assert [node.folding for node in both.nodes if not isinstance(node, Fork)] == [n.folding for n in network.nodes]
    kept = {fifo.name: fifo.depth for fifo in network.fifos if fifo in both.fifos}
    assert len(kept) == len(network.fifos) - 1
    frames = random_frames(network, 5)
    before, after = evaluate(network, frames), evaluate(both, frames)
    assert network.scores is not None
    scores = before[network.fifos_out_of(network.scores.node)[0].name]
    np.testing.assert_array_equal(after["scores_fork -> scores"], scores)
    np.testing.assert_array_equal(after["arg_max -> class"], before["arg_max -> class"])
    assert both.interval == network.interval


def test_exposing_and_folding_commute() -> None:
    network = dense_network((12, 6, 4))
    folding = {"fc0": {"pe": 2, "simd": 3}, "fc1": {"pe": 2}, "arg_max": {"pe": 2}}
    left = fold(expose_scores(network), {**folding, "scores_fork": {"pe": 2}})
    right = fold(expose_scores(fold(network, folding)), {})
    for a, b in zip(left.nodes, right.nodes, strict=True):
        assert (a.name, a.folding) == (b.name, b.folding)
    assert left.fifos == right.fifos


def test_network_that_shows_its_scores_stays() -> None:
    for outputs in ("scores", "both"):
        network = dense_network((12, 6, 4), outputs=outputs)
        assert expose_scores(network) is network


def test_taken_name_of_the_fork() -> None:
    network = dense_network((12, 6, 4))
    names = {"binarize": "scores_fork"}
    renamed = replace(
        network,
        nodes=tuple(replace(node, name=names.get(node.name, node.name)) for node in network.nodes),
        fifos=tuple(
            replace(fifo, source=names.get(fifo.source, fifo.source), target=names.get(fifo.target, fifo.target))
            for fifo in network.fifos
        ),
    )
    assert [node.name for node in expose_scores(renamed).nodes][3] == "scores_fork_"


def test_network_without_scores() -> None:
    network = replace(dense_network((12, 6, 4)), scores=None)
    with pytest.raises(InputError, match=r"^Network 'dense-12-6-4' must have scores to emit them, not none$"):
        expose_scores(network)


def test_lowering_needs_no_torch(tmp_path: Path) -> None:
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    onnx.save(net.model(net.dense(x, np.ones((2, 6)))), tmp_path / "model.onnx")
    code = (
        "import sys\n"
        "for name in ('torch', 'brevitas', 'qonnx', 'hwsim', 'rtl', 'amaranth', 'numba'): sys.modules[name] = None\n"
        "from quant.lowering import lower\n"
        "assert len(lower(sys.argv[1]).nodes) == 3"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.onnx")], check=True)


def test_unfolded_network_has_the_depths_of_folding() -> None:
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    network = lower(net.model(net.dense(x, np.ones((2, 6)))), outputs="both")
    assert network.fifos == fold(network, {}).fifos
