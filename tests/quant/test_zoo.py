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
from quant.methods import BinaryLayer
from quant.models import build
from quant.oracle import scores_of_qonnx

pytestmark = pytest.mark.train

DIGITS = [name for name in zoo.names() if recipes.load(name).dataset == "mnist"]
LEAST = {
    "tfc-w1a1": 0.93,
    "sfc-w1a1": 0.973,
    "cnv-mnist-small": 0.975,
    "cnv-w1a1": 0.76,
    "cnv-w1a2": 0.82,
    "resnet20-w1a1": 0.76,
}


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
    assert recipes.from_dict({"name": name, **card["recipe"]}) == recipes.load(name)
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
    channels, height, width = (each.dim_value for each in graph.input[0].type.tensor_type.shape.dim[1:])
    network = build(recipes.load(name), (channels, height, width), 10)
    expected = {
        f"{layer}.weight_quant.x": tuple(module.weight.shape)
        for layer, module in network.named_modules()
        if isinstance(module, BinaryLayer) or hasattr(module, "weight_quant")
    }
    assert {key: shape for key, shape in shapes.items() if key.endswith(".weight_quant.x")} == expected
    assert len(expected) > 2


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
    found = hwsim.predict(lower(model), test.images).predictions
    assert (found == test.labels).mean() == zoo.card(name)["accuracy"]["brevitas"]
    some = slice(None, None, 10)  # Brevitas' layers take a hundred times as long
    np.testing.assert_array_equal(found[some], predictions(scores_of_qonnx(model, test.images[some])))
