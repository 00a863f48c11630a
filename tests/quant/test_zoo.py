"""The zoo: its models agree with their cards."""

import hashlib
import os

import numpy as np
import onnx
import pytest

import hwsim
import zoo
from dataflow import InputError
from quant import datasets, recipes
from quant.evaluation import predictions
from quant.lowering import lower
from quant.oracle import scores_of_qonnx

pytestmark = pytest.mark.train

DIGITS = [name for name in zoo.names() if recipes.load(name).dataset == "mnist"]
LEAST = {"tfc-w1a1": 0.93, "sfc-w1a1": 0.973, "cnv-mnist-small": 0.975, "cnv-w1a1": 0.76}


def test_the_zoo_has_the_fields_networks() -> None:
    assert set(LEAST) <= set(zoo.names())
    assert zoo.path("tfc-w1a1").name == "tfc-w1a1"


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    rule = r"^Model of the zoo must be one of .*, not 'tfc-w1' \(did you mean 'tfc-w1a1'\?\)$"
    with pytest.raises(InputError, match=rule):
        zoo.path("tfc-w1")


@pytest.mark.parametrize("name", zoo.names())
def test_a_card_tells_of_the_file_beside_it(name: str) -> None:
    card = zoo.card(name)
    model = zoo.path(name) / "model.onnx"
    assert card["name"] == name
    assert card["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert {"name": name, **card["recipe"]} == recipes.load(name).to_dict()
    assert card["training"]["command"] == f"xnorflow train {name}"
    assert card["accuracy"]["brevitas"] == card["accuracy"]["lowered"]
    assert card["accuracy"]["differences"] == 0
    assert (zoo.path(name) / "README.md").is_file()


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_cards_reach_what_the_field_reports(name: str, least: float) -> None:
    assert zoo.card(name)["accuracy"]["test_frames"] == 10_000
    assert zoo.card(name)["accuracy"]["brevitas"] >= least


@pytest.mark.parametrize("name", DIGITS)
def test_the_sample_is_classified_as_by_the_lowered_network(name: str) -> None:
    sample = datasets.load("mnist-sample", "test")
    model = zoo.path(name) / "model.onnx"
    expected = predictions(scores_of_qonnx(model, sample.images))
    assert (expected == sample.labels).mean() > 0.9
    np.testing.assert_array_equal(hwsim.predict(lower(model), sample.images).predictions, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.names())
def test_noise_is_scored_as_by_the_lowered_network(name: str) -> None:
    model = zoo.path(name) / "model.onnx"
    network = lower(model)
    frames = np.random.default_rng(0).integers(0, 256, (40, *network.frame_shape)).astype(np.uint8)
    found = hwsim.predict(network, frames)
    np.testing.assert_array_equal(found.predictions, predictions(scores_of_qonnx(model, frames)))


@pytest.mark.parametrize("name", zoo.names())
def test_layers_have_the_recipes_sizes(name: str) -> None:
    graph = onnx.load(zoo.path(name) / "model.onnx").graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    recipe = recipes.load(name)
    filters = recipe.convolutions if isinstance(recipe, recipes.ConvolutionalRecipe) else ()
    counts = [entry for entry in filters if entry != "P"]
    for index, count in enumerate(counts):
        assert shapes[f"conv{index}.weight_quant.x"][::2] == (count, recipe.kernel)
    synapses = shapes["fc0.weight_quant.x"][1]
    assert synapses % counts[-1] == 0 if counts else synapses == 784
    sizes = (synapses, *recipe.hidden, 10)
    for index in range(len(sizes) - 1):
        assert shapes[f"fc{index}.weight_quant.x"] == (sizes[index + 1], sizes[index])


@pytest.mark.slow
@pytest.mark.skipif("XNORFLOW_DATA" not in os.environ, reason="needs the 10,000 test images in $XNORFLOW_DATA")
@pytest.mark.parametrize("name", zoo.names())
def test_all_test_images_are_classified_as_the_card_says(name: str) -> None:
    dataset = recipes.load(name).dataset
    try:
        test = datasets.load(dataset, "test")
    except InputError as error:
        pytest.skip(f"no official files of {dataset}: {error}")
    model = zoo.path(name) / "model.onnx"
    expected = predictions(scores_of_qonnx(model, test.images))
    assert (expected == test.labels).mean() == zoo.card(name)["accuracy"]["brevitas"]
    np.testing.assert_array_equal(hwsim.predict(lower(model), test.images).predictions, expected)
