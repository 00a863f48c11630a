"""The large recipes, untrained and with random batch norms: packed against Brevitas, predictions and scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

import hwsim
from quant import recipes
from quant.evaluation import predictions, scores_of_network
from quant.export import export
from quant.lowering import lower
from quant.models import convolutional
from tests.quant.lowering.test_brevitas import randomize

pytestmark = pytest.mark.train

SHAPE, CLASSES = (3, 32, 32), 10


def images_of(count: int, seed: int) -> np.ndarray:
    """Return (count, height, width, channels) uint8: half noise, half patches of 8 x 8 pixels with little noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *SHAPE[1:], SHAPE[0]))
    coarse = rng.integers(0, 256, (count, 4, 4, SHAPE[0])).repeat(8, axis=1).repeat(8, axis=2)
    images[::2] = np.clip(coarse + images // 16 - 8, 0, 255)[::2]
    return images.astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg-small-w1a1", "cnv-w1a1"])
def test_large_networks_are_lowered_to_what_brevitas_computes(name: str, tmp_path: Path) -> None:
    recipe = recipes.load(name)
    assert isinstance(recipe, recipes.ConvolutionalRecipe)
    torch.manual_seed(5)
    sizes = (SHAPE, recipe.convolutions, recipe.hidden, CLASSES)
    kernel, padding, bits = recipe.kernel, recipe.padding_size, recipe.input_bits
    network = convolutional(*sizes, kernel=kernel, padding=padding, input_bits=bits)
    randomize(network, 5)
    export(network, SHAPE, tmp_path / "large.onnx")
    lowered = lower(tmp_path / "large.onnx", outputs="both")
    images = images_of(200, 7)
    found, expected = hwsim.predict(lowered, images), scores_of_network(network, images, batch=25)
    np.testing.assert_array_equal(found.predictions, predictions(expected))
    assert lowered.scores is not None
    assert found.scores is not None
    scale, bias = lowered.scores.scale, lowered.scores.bias
    totals, exact = (expected - bias) / scale, (found.scores - bias) / scale
    assert np.abs(totals - np.rint(totals)).max() < 0.01  # what float32 rounds of logits and totals of thousands
    np.testing.assert_array_equal(np.rint(totals), np.rint(exact))
    assert len(np.unique(np.rint(exact))) > 50
    assert len(np.unique(found.predictions)) > 2
