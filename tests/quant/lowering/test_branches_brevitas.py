"""Residual models as Brevitas exports them, value by value against the torch modules in float64."""

import copy
from collections import OrderedDict
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dataflow import Add, Concat, InputError, Network, Node, Threshold
from hwsim import simulate
from hwsim.packed import evaluate
from quant._exporter import export_qonnx
from quant.binarizers import BinaryActivation, binary_activation, binary_convolution, binary_linear
from quant.export import export
from quant.lowering import lower
from quant.models import FlattenImage, ImageScale

pytestmark = pytest.mark.train

FRAMES = 100
SHAPE = (3, 8, 6)


class BitsBlock(nn.Module):
    """Two convolutions, whose bits are added to those that went in."""

    def __init__(self, channels: int, *, adder: bool = False) -> None:
        super().__init__()
        self.conv0, self.norm0 = binary_convolution(channels, channels, kernel=3, padding=1), nn.BatchNorm2d(channels)
        self.sign0 = binary_activation()
        self.conv1, self.norm1 = binary_convolution(channels, channels, kernel=3, padding=1), nn.BatchNorm2d(channels)
        self.sign1 = binary_activation()
        self.add = qnn.QuantEltwiseAdd(input_quant=BinaryActivation) if adder else torch.add
        self.norm2, self.sign2 = nn.BatchNorm2d(channels), binary_activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.sign0(self.norm0(self.conv0(x)))
        y = self.sign1(self.norm1(self.conv1(y)))
        return self.sign2(self.norm2(self.add(y, x)))


class SumsBlock(nn.Module):
    """Signs of what goes in through a convolution, whose sums are added to it: integers go on from block to block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.sign = nn.BatchNorm2d(channels), binary_activation()
        self.conv = binary_convolution(channels, channels, kernel=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.sign(self.norm(x)))


class Residual(nn.Module):
    """Signs of pixels, a convolution, residual blocks, signs, and a dense layer."""

    def __init__(self, *blocks: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.pixels, self.binarize = ImageScale(), binary_activation()
        self.stem = binary_convolution(SHAPE[0], channels, kernel=3)
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.sign, self.row = nn.BatchNorm2d(channels), binary_activation(), FlattenImage()
        self.scores = binary_linear(channels * (SHAPE[1] - 2) * (SHAPE[2] - 2), 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.binarize(self.pixels(x)))
        if isinstance(self.blocks[0], BitsBlock):
            x = self.sign(self.norm(x))
        for block in self.blocks:
            x = block(x)
        return self.scores(self.row(x if isinstance(self.blocks[-1], BitsBlock) else self.sign(self.norm(x))))


class DenseBlock(nn.Module):
    """A convolution, whose bits are concatenated to those that went in."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv, self.norm = binary_convolution(channels, growth, kernel=3, padding=1), nn.BatchNorm2d(growth)
        self.sign = binary_activation()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.sign(self.norm(self.conv(x)))], dim=1)


def randomize(network: nn.Module, *, falling: bool) -> nn.Module:
    """Give norms what training leaves; those before bits that are added rise, unless `falling`."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                size = module.running_mean.shape
                module.running_mean.copy_(torch.randn(size, generator=generator))
                module.running_var.copy_(torch.rand(size, generator=generator) * 20 + 0.1)
                module.weight.copy_(torch.randn(size, generator=generator))
                module.bias.copy_(torch.randn(size, generator=generator) * 0.3)
                if name.endswith("norm2") and not falling:
                    module.weight.copy_(module.weight.abs() + 0.1)
    return network.eval()


def signs_of(network: nn.Module, frames: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return scores, and the bits of every quantizer by its module's name, (frames, height, width, channels)."""
    network, signs = copy.deepcopy(network).double(), {}

    def look(name: str) -> None:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            values = inputs[0].detach().numpy()
            assert ((np.abs(values) > 1e-9) | (values == 0)).all()  # else float64 would be in doubt
            signs[name] = np.moveaxis(values >= 0, 1, -1).astype(np.int64)

        dict(network.named_modules())[name].register_forward_hook(hook)

    for name, module in network.named_modules():
        if isinstance(module, qnn.QuantIdentity):
            look(name)
    with torch.no_grad():
        scores = network(torch.from_numpy(frames / 255.0))
    return scores.numpy(), signs


def assert_equal(network: nn.Module, path: Path, bits: dict[str, str], *, kind: type[Node] = Add) -> None:
    """Export and lower a model and compare it on random frames.

    Parameters
    ----------
    bits : the quantizer whose bits a node makes
    kind : of the nodes in which branches meet
    """
    export(network, SHAPE, path)
    lowered = lower(path)
    values, signs = assert_scores(
        network, lowered, np.random.default_rng(1).integers(0, 256, (FRAMES, *SHAPE), np.uint8)
    )
    assert set(signs) == set(bits.values())
    for node, name in bits.items():
        differs = (values[lowered.fifos_out_of(node)[0].name] != signs[name]).reshape(-1, signs[name].shape[-1])
        # A comparison's bits are the others in channels in which they fall with the sum; a layer inverts its rows.
        inverted = isinstance(lowered.node(node), Threshold) & differs.all(axis=0)
        assert (differs == inverted).all(), node
    assert sum(isinstance(node, kind) for node in lowered.nodes) == 2
    assert simulate(lowered, 3).interval == lowered.interval


def assert_scores(
    network: nn.Module, lowered: Network, frames: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Compare scores and classes, and return the values of the network's streams and the model's bits."""
    scores, signs = signs_of(network, frames)
    values = evaluate(lowered, frames.transpose(0, 2, 3, 1))
    assert lowered.scores is not None
    totals = values[lowered.fifos_out_of(lowered.scores.node)[0].name]
    np.testing.assert_allclose(lowered.scores.scale * totals + lowered.scores.bias, scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(values["arg_max -> class"].ravel(), scores.argmax(axis=1))
    return values, signs


@pytest.mark.slow
def test_bits_that_share_a_quantizer(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = randomize(Residual(BitsBlock(8), BitsBlock(8)), falling=False)
    bits = {"binarize": "binarize", "stem": "sign"}
    for index in range(2):
        bits |= {f"blocks_{index}_conv{layer}": f"blocks.{index}.sign{layer}" for layer in range(2)}
        bits[f"blocks_{index}_sign2"] = f"blocks.{index}.sign2"
    assert_equal(network, tmp_path / "bits.onnx", bits)


@pytest.mark.slow
def test_brevitas_own_adder(tmp_path: Path) -> None:
    """It has both operands' bits go through one further quantizer."""
    torch.manual_seed(3)
    network = randomize(Residual(BitsBlock(8, adder=True), BitsBlock(8, adder=True)), falling=False)
    path = tmp_path / "adder.onnx"
    export_qonnx(network, args=torch.zeros(1, *SHAPE), export_path=str(path))
    lowered = lower(path)
    kinds = [node.kind for node in lowered.nodes]
    assert (kinds.count("Threshold"), kinds.count("MatrixVector")) == (3, 6)  # no layer's sums are compared apart
    assert_scores(network, lowered, np.random.default_rng(1).integers(0, 256, (FRAMES, *SHAPE), np.uint8))


def test_sums_that_go_on(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = randomize(Residual(SumsBlock(8), SumsBlock(8)), falling=True)
    bits = {"binarize": "binarize", "sign": "sign"} | {f"blocks_{n}_sign": f"blocks.{n}.sign" for n in range(2)}
    assert_equal(network, tmp_path / "sums.onnx", bits)
    sums = [node.output_streams[0] for node in lower(tmp_path / "sums.onnx").nodes if isinstance(node, Add)]
    # Sums of 27 and of 72 signs: no more than 99, and no more than 171.
    assert [str(stream.element) for stream in sums] == ["int8", "int9"]


def test_dense_blocks(tmp_path: Path) -> None:
    torch.manual_seed(6)
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=ImageScale(), binarize=binary_activation())
    layers |= {"block0": DenseBlock(3, 4), "block1": DenseBlock(7, 5), "mix": binary_convolution(12, 6, kernel=1)}
    layers |= {"norm": nn.BatchNorm2d(6), "sign": binary_activation(), "row": FlattenImage()}
    layers["scores"] = binary_linear(6 * 8 * 6, 5)
    network = randomize(nn.Sequential(layers), falling=True)
    bits = {"binarize": "binarize", "block0_conv": "block0.sign", "block1_conv": "block1.sign", "mix": "sign"}
    assert_equal(network, tmp_path / "dense.onnx", bits, kind=Concat)


def test_bits_that_fall_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(3)
    export(randomize(Residual(BitsBlock(8), BitsBlock(8)), falling=True), SHAPE, tmp_path / "bits.onnx")
    sentence = (
        r"^Node '.*' \(Add\) must add numbers that rise with the bits of '.*', not fall as in channel \d: "
        r"use positive scales before it$"
    )
    with pytest.raises(InputError, match=sentence):
        lower(tmp_path / "bits.onnx")
