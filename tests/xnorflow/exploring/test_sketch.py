"""Sketches have the nodes and the cycles of the trained networks, and nearly their costs."""

from dataclasses import replace

import pytest

from dataflow import fold, network_cost
from dataflow.choices import quick_foldings
from hwsim import simulate
from quant import recipes
from xnorflow.exploring.points import SHAPES, network_of
from xnorflow.exploring.sketch import can_sketch
from xnorflow.exploring.untrained import untrained
from xnorflow.folding import fold_to
from xnorflow.networks import open_network

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ["tfc-w1a1", "sfc-w1a1", "cnv-mnist-small", "cnv-w1a1"])
def test_a_sketch_is_like_the_trained_network(name: str) -> None:
    trained, drawn = open_network(name), network_of(recipes.load(name))
    assert [node.name for node in drawn.nodes] == [node.name for node in trained.nodes]
    assert [fifo.name for fifo in drawn.fifos] == [fifo.name for fifo in trained.fifos]
    assert (drawn.inputs, drawn.outputs) == (trained.inputs, trained.outputs)
    for own, other in zip(drawn.nodes, trained.nodes, strict=True):
        assert (own.steps, own.latency) == (other.steps, other.latency)
        assert (own.input_streams, own.output_streams) == (other.input_streams, other.output_streams)
    for family in ("ice40", "ecp5"):
        own, other = network_cost(drawn, family), network_cost(trained, family)
        assert own.luts == pytest.approx(other.luts, rel=0.1)
        assert own.brams == pytest.approx(other.brams, rel=0.1)


def test_cycles_of_a_folded_sketch_are_those_of_the_network() -> None:
    # Where two foldings cost almost the same, as within 448 cycles, equal columns of the weights may decide.
    trained = fold_to(open_network("tfc-w1a1"), 784)
    drawn = fold_to(network_of(recipes.load("tfc-w1a1")), 784)
    runs = [simulate(each, 3) for each in (trained, drawn)]
    assert len({(run.interval, run.first_frame_latency) for run in runs}) == 1


def test_padded_convolutions_have_classes_of_positions() -> None:
    recipe = replace(recipes.load("cnv-mnist-small"), padding="zero")
    network = network_of(recipe)
    layer = network.node("conv1")
    assert layer.position_classes is not None
    assert layer.positions == (28, 28)


def test_what_cannot_be_sketched_is_said() -> None:
    assert not can_sketch(recipes.load("resnet20-w1a1"))
    assert not can_sketch(recipes.load("tfc-w2a2"))
    assert set(SHAPES) >= {"mnist", "cifar10"}


@pytest.mark.train
def test_an_untrained_network_has_the_cycles_of_its_sketch() -> None:
    recipe = recipes.load("tfc-w1a1")
    drawn = network_of(recipe)
    foldings = {node.name: node.folding for node in fold_to(drawn, 448).nodes if node.folding}
    runs = [simulate(fold(each, foldings), 3) for each in (drawn, untrained(recipe, (28, 28, 1), 10))]
    assert len({(run.interval, run.first_frame_latency) for run in runs}) == 1


@pytest.mark.train
@pytest.mark.parametrize("name", ["resnet8-short", "tfc-w2a2"])
def test_cycles_do_not_depend_on_weights(name: str) -> None:
    """What a training changes is weights; so other ones may change no node and no cycle."""
    recipe = recipes.load(name)
    found, foldings = [], None
    for seed in (1, 2):
        network = network_of(replace(recipe, seed=seed))
        foldings = foldings or quick_foldings(network, max(node.steps for node in network.nodes) // 8, "ecp5")
        run = simulate(fold(network, foldings), 2)
        found.append((run.interval, run.first_frame_latency, [(node.name, node.kind) for node in network.nodes]))
    assert found[0] == found[1]
