"""Models as Brevitas exports them, against the torch modules themselves in float64."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.nn import QuantIdentity, QuantLinear
from torch import Tensor, nn

from dataflow import MatrixVector, Network
from hwsim.reference import evaluate
from quant._exporter import export_qonnx
from quant.binarizers import (
    BinaryActivation,
    BinaryWeight,
    binary_activation,
    binary_convolution,
    binary_linear,
    fixed_point_activation,
)
from quant.export import export
from quant.lowering import lower
from quant.methods import deployed
from quant.models import FlattenImage, ImageScale, PixelScale, ScoreNorm, convolutional, dense

pytestmark = pytest.mark.train

FRAMES = 200


class ScaledWeight(BinaryWeight):
    """Weights of -0.3 and +0.3."""

    scaling_const = 0.3


class ScaledActivation(BinaryActivation):
    """Activations of -0.7 and +0.7."""

    scaling_const = 0.7


def randomize(network: nn.Module, seed: int) -> nn.Module:
    """Give every normalization statistics and an affine as training leaves them, some scales negative or zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | ScoreNorm):
                size = module.running_mean.shape
                module.running_mean.copy_(torch.randn(size, generator=generator) * 3)
                module.running_var.copy_(torch.rand(size, generator=generator) * 20 + 0.1)
                module.weight.copy_(torch.randn(size, generator=generator))
                module.bias.copy_(torch.randn(size, generator=generator))
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.weight.numel() > 4:
                    module.weight[1] = 0
    return network.eval()


def frames_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return (frames, channels, height, width) uint8."""
    frames = np.random.default_rng(seed).integers(0, 256, (FRAMES, *shape), np.uint8)
    frames[0], frames[1] = 0, 255
    return frames


def run(network: nn.Module, frames: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return scores and the hidden layers' signs, in float64; no number may be so near 0 that float64 is in doubt.

    Frames are pixels, or int8 codes of the model's own input Quant, of 1/128 between -1 and +1.
    """
    network = deployed(network).double()
    signs: list[np.ndarray] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        values = inputs[0].numpy()
        assert ((np.abs(values) > 1e-9) | (values == 0)).all()
        signs.append((values >= 0).astype(np.int64))

    for module in network.modules():
        if isinstance(module, QuantIdentity):
            module.register_forward_hook(look)
    with torch.no_grad():
        scores = network(torch.from_numpy(frames / 255.0 if frames.dtype == np.uint8 else (frames / 128.0 + 1) / 2))
    return scores.numpy(), signs[1:]


def assert_equal(network: nn.Module, lowered: Network, shape: tuple[int, ...], seed: int) -> None:
    """Compare hidden bits, classes and scores."""
    frames = frames_of(shape, seed)
    scores, signs = run(network, frames)
    values = evaluate(lowered, frames.transpose(0, 2, 3, 1))
    layers = [node for node in lowered.nodes if isinstance(node, MatrixVector)]
    assert len(layers) == len(signs) + 1
    for layer, bits in zip(layers, signs, strict=False):
        np.testing.assert_array_equal(values[lowered.fifos_out_of(layer.name)[0].name], bits, layer.name)
    assert lowered.scores is not None
    totals = values[lowered.fifos_out_of(layers[-1].name)[0].name]
    np.testing.assert_allclose(lowered.scores.scale * totals + lowered.scores.bias, scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(values["arg_max -> class"].ravel(), scores.argmax(axis=1))


@pytest.mark.parametrize(
    ("shape", "hidden", "classes"),
    [
        pytest.param((1, 5, 4), (), 3, marks=pytest.mark.slow),
        pytest.param((3, 4, 4), (13,), 10, marks=pytest.mark.slow),
        ((1, 6, 6), (17, 9), 5),
    ],
)
def test_networks_of_our_own_recipes(
    tmp_path: Path, shape: tuple[int, ...], hidden: tuple[int, ...], classes: int
) -> None:
    torch.manual_seed(len(hidden))
    network = randomize(dense(shape, hidden, classes), len(hidden))
    export(network, shape, tmp_path / "digits.onnx")
    lowered = lower(tmp_path / "digits.onnx")
    assert [node.name for node in lowered.nodes] == ["binarize", *(f"fc{i}" for i in range(len(hidden) + 1)), "arg_max"]
    assert lowered.name == "digits"
    assert lowered.frame_shape == (*shape[1:], shape[0])
    assert_equal(network, lowered, shape, len(hidden))


def other_networks() -> Iterator[tuple[str, nn.Module]]:
    """Yield what else people build: scales, biases, further operators, scores with an affine by class."""
    yield (
        "scales-and-biases",
        nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(48),
            QuantIdentity(act_quant=ScaledActivation),
            QuantLinear(48, 11, bias=True, weight_quant=ScaledWeight),
            nn.BatchNorm1d(11),
            QuantIdentity(act_quant=ScaledActivation),
            QuantLinear(11, 6, bias=True, weight_quant=ScaledWeight),
        ),
    )
    yield (
        "bent",
        nn.Sequential(
            PixelScale(),
            binary_activation(),
            binary_linear(48, 12),
            nn.PReLU(12),
            nn.BatchNorm1d(12),
            nn.Hardtanh(),
            binary_activation(),
            nn.Dropout(0.1),
            binary_linear(12, 10),
            nn.LeakyReLU(0.1),
            nn.BatchNorm1d(10),
            nn.Tanh(),
            binary_activation(),
            binary_linear(10, 4),
            nn.BatchNorm1d(4),
        ),
    )


@pytest.mark.parametrize(
    ("name", "network"), list(other_networks()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_networks_as_brevitas_exports_them(tmp_path: Path, name: str, network: nn.Module) -> None:
    shape = (3, 4, 4)
    torch.manual_seed(1)
    randomize(network, 1)
    path = tmp_path / f"{name}.onnx"
    export_qonnx(network, args=torch.zeros(1, *shape), export_path=str(path))
    assert_equal(network, lower(path), shape, 1)


def assert_convolutional(
    network: nn.Module, lowered: Network, frames: np.ndarray, inverted: tuple[str, ...] = ()
) -> None:
    """Compare hidden bits, classes and scores; frames are (frames, channels, height, width).

    Parameters
    ----------
    inverted : layers with a pool before their sign: their bits show only in the scores
    """
    scores, signs = run(network, frames)
    values = evaluate(lowered, frames.transpose(0, 2, 3, 1).astype(np.int64))
    layers = [node for node in lowered.nodes if isinstance(node, MatrixVector)]
    assert len(layers) == len(signs) + 1
    for layer, bits in zip(layers, signs, strict=False):
        if layer.name not in inverted:
            expected = bits.transpose(0, 2, 3, 1) if bits.ndim == 4 else bits
            np.testing.assert_array_equal(values[lowered.fifos_out_of(layer.name)[0].name], expected, layer.name)
    assert lowered.scores is not None
    totals = values[lowered.fifos_out_of(layers[-1].name)[0].name]
    logits = lowered.scores.scale * totals + lowered.scores.bias
    np.testing.assert_allclose(logits, scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(values["arg_max -> class"].ravel(), scores.argmax(axis=1))


@pytest.mark.parametrize("input_bits", [pytest.param(1, marks=pytest.mark.slow), 8])
def test_convolutional_networks_of_our_own_recipes(tmp_path: Path, input_bits: int) -> None:
    shape = (3, 12, 12)
    torch.manual_seed(5)
    network = convolutional(shape, (8, 9, "P", 10, "P"), (11,), 7, input_bits=input_bits)
    randomize(network, 5)
    export(network, shape, tmp_path / "images.onnx")
    lowered = lower(tmp_path / "images.onnx", input_kind="uint8/255" if input_bits == 1 else "quant")
    layers = ["conv0_window", "conv0", "conv1_window", "conv1", "pool0", "conv2_window", "conv2", "pool1"]
    begin = ["binarize"] if input_bits == 1 else []
    assert [node.name for node in lowered.nodes] == [*begin, *layers, "fc0", "fc1", "arg_max"]
    frames = frames_of(shape, 5)[:40]
    assert ("codes_of_pixels" in lowered.metadata) == (input_bits == 8)
    if input_bits == 8:
        codes = np.array(lowered.metadata["codes_of_pixels"].split(), np.int64)
        pixels = torch.arange(256, dtype=torch.float64).reshape(-1, 1, 1, 1) / 255
        values = copy.deepcopy(network[:2]).double()(pixels)
        np.testing.assert_array_equal(codes, values.detach().numpy().ravel() * 128)
    assert_convolutional(network, lowered, frames if input_bits == 1 else frames.view(np.int8))


def test_convolutional_network_with_pools_before_batch_norms(tmp_path: Path) -> None:
    shape = (3, 8, 8)
    torch.manual_seed(6)
    network = nn.Sequential(
        ImageScale(),
        fixed_point_activation(),
        binary_convolution(3, 12, kernel=3),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(12),
        binary_activation(),
        binary_convolution(12, 9, kernel=2),
        nn.BatchNorm2d(9),
        nn.MaxPool2d(2, 1),
        binary_activation(),
        FlattenImage(),
        binary_linear(9, 6),
        nn.BatchNorm1d(6),
    )
    randomize(network, 6)
    path = tmp_path / "pools.onnx"
    export_qonnx(network, args=torch.zeros(1, *shape), export_path=str(path))
    lowered = lower(path, input_kind="quant")
    convolutions = [node.name for node in lowered.nodes if isinstance(node, MatrixVector) and node.positions]
    assert len(convolutions) == 2
    assert_convolutional(network, lowered, frames_of(shape, 6)[:60].view(np.int8), tuple(convolutions))
