"""Convolutional networks: layers by name, the input's bits, padding, and Brevitas' own CNV."""

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas_examples.bnn_pynq.models.CNV import CNV
from brevitas_examples.bnn_pynq.models.tensor_norm import TensorNorm
from torch import Tensor, nn

from dataflow import InputError
from quant import recipes
from quant.methods import BinaryLayer, BinarySign
from quant.models import FlattenImage, ScoreNorm, build, convolutional

pytestmark = pytest.mark.train

CNV_LAYERS = ((64, 64, "P", 128, 128, "P", 256, 256), (512, 512), 10)

TRAINED = (QuantConv2d, QuantLinear, BinaryLayer, nn.BatchNorm1d, nn.BatchNorm2d, TensorNorm, ScoreNorm)

NAMES = [
    *("pixels", "quantize", "conv0", "norm0", "sign0", "conv1", "norm1", "sign1", "pool0", "conv2", "norm2", "sign2"),
    *("pool1", "flatten", "fc0", "norm3", "sign3", "fc1", "scores"),
]


def randomize(modules: list[nn.Module], seed: int) -> None:
    """Set weights, normalizations and their statistics to values like those of a trained network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in modules:
            for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
                if name == "running_var":
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) * 20 + 1)
                elif tensor.is_floating_point():
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) * 2 - 1)


def layers_of(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def test_layers_are_counted_by_kind_and_have_the_given_sizes() -> None:
    network = convolutional((3, 13, 12), (5, 7, "P", 6, "P"), (8,), 4)
    layers = dict(network.named_children())
    assert list(layers) == NAMES
    shapes = [tuple(layers[name].weight.shape) for name in ("conv0", "conv1", "conv2", "fc0", "fc1")]
    assert shapes == [(5, 3, 3, 3), (7, 5, 3, 3), (6, 7, 3, 3), (8, 6), (4, 8)]
    assert (type(layers["norm2"]), type(layers["norm3"])) == (nn.BatchNorm2d, nn.BatchNorm1d)
    assert network.eval()(torch.rand(6, 3, 13, 12)).shape == (6, 4)


@pytest.mark.parametrize(("padding", "columns"), [(0, 4 * 4), (1, 8 * 8)])
def test_zero_padding_keeps_the_image(padding: int, columns: int) -> None:
    network = convolutional((1, 8, 8), (4, 3), (), 2, padding=padding)
    assert network.fc0.in_features == 3 * columns


@pytest.mark.parametrize(
    ("name", "frame_shape", "synapses"),
    [
        ("cnv-w1a1", (3, 32, 32), 256),
        ("cnv-w1a2", (3, 32, 32), 256),
        ("cnv-w2a2", (3, 32, 32), 256),
        ("vgg-small-w1a1", (3, 32, 32), 512 * 4 * 4),
        ("cnv-mnist-small", (1, 28, 28), 32 * 4 * 4),
    ],
)
def test_the_packages_recipes_suit_their_images(name: str, frame_shape: tuple[int, int, int], synapses: int) -> None:
    recipe = recipes.load(name)
    assert isinstance(recipe, recipes.ConvolutionalRecipe)
    network = build(recipe, frame_shape, 10)
    assert network.fc0.in_features == synapses
    assert network.eval()(torch.rand(2, *frame_shape)).shape == (2, 10)


def test_what_a_convolution_pads_with_is_zero() -> None:
    network = convolutional((1, 2, 2), (1,), (), 2, padding=1, input_bits=1)
    with torch.no_grad():
        network.conv0.weight.fill_(1.0)
        assert network.conv0(torch.ones(1, 1, 2, 2)).tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]


def test_kernels_of_another_size() -> None:
    network = convolutional((2, 9, 7), (3, 4), (), 2, kernel=5, padding=2)
    assert tuple(network.conv1.weight.shape) == (4, 3, 5, 5)
    assert network.fc0.in_features == 4 * 9 * 7
    assert convolutional((2, 5, 7), (3,), (), 2, kernel=1).fc0.in_features == 3 * 5 * 7


@pytest.mark.parametrize(
    ("pixel", "code"), [(0, -128), (1, -127), (63, -65), (64, -64), (127, -1), (128, 1), (254, 127), (255, 127)]
)
def test_pixels_become_multiples_of_a_128th(pixel: int, code: int) -> None:
    network = convolutional((1, 3, 3), (2,), (), 2)
    assert code == min(round(256 * pixel / 255 - 128), 127)
    values = network.quantize(network.pixels(torch.full((1, 1, 3, 3), pixel / 255)))
    assert (values * 128).unique().tolist() == [code]


@pytest.mark.parametrize(("pixel", "sign"), [(0, -1.0), (127, -1.0), (128, 1.0), (255, 1.0)])
def test_pixels_of_one_bit_are_signs(pixel: int, sign: float) -> None:
    network = convolutional((1, 3, 3), (2,), (), 2, input_bits=1)
    assert network.binarize(network.pixels(torch.full((1, 1, 3, 3), pixel / 255))).unique().tolist() == [sign]
    assert "quantize" not in dict(network.named_children())


def test_a_row_keeps_channel_row_column_order() -> None:
    assert FlattenImage()(torch.arange(24.0).reshape(2, 2, 2, 3)).tolist() == [
        [float(value) for value in range(12)],
        [float(value) for value in range(12, 24)],
    ]


def test_all_between_the_ends_are_signs() -> None:
    network = convolutional((3, 13, 12), (5, 7, "P", 6, "P"), (8,), 4).eval()
    randomize(layers_of(network, TRAINED), 0)
    seen: list[tuple[str, Tensor]] = []
    for name, module in network.named_children():
        module.register_forward_pre_hook(lambda _, inputs, name=name: seen.append((name, inputs[0])))
    with torch.no_grad():
        network(torch.rand(4, 3, 13, 12))
    behind_signs = {name: values.unique().tolist() for name, values in seen}
    for name in ("conv1", "pool0", "conv2", "pool1", "flatten", "fc0", "fc1"):
        assert behind_signs[name] == [-1.0, 1.0], name


@pytest.mark.parametrize("bits", [(1, 1), (1, 2), (2, 2)])
def test_scores_are_those_of_brevitas_own_cnv(bits: tuple[int, int]) -> None:
    theirs = CNV(10, *bits, 8, 3).eval()
    ours = convolutional((3, 32, 32), *CNV_LAYERS, weight_bits=bits[0], activation_bits=bits[1]).eval()
    sources, targets = layers_of(theirs, TRAINED), layers_of(ours, TRAINED)
    kinds = (QuantIdentity, BinarySign, nn.MaxPool2d)
    assert len(layers_of(theirs, kinds)) == len(layers_of(ours, kinds))
    randomize(sources, 1)
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
        if hasattr(target, "eps"):
            target.eps = source.eps
    frames = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)) / 255
    with torch.no_grad():
        expected = theirs(frames)
        assert len(expected.unique()) > 10
        assert torch.equal(ours(frames), expected)


def test_between_activations_of_2_bits_are_three_values() -> None:
    network = convolutional((3, 8, 8), (5, "P"), (8,), 4, weight_bits=2, activation_bits=2).eval()
    randomize(layers_of(network, TRAINED), 0)
    seen: list[Tensor] = []
    for name in ("pool0", "flatten", "fc0", "fc1"):
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.rand(20, 3, 8, 8))
    assert len(seen) == 4
    assert all(values.unique().tolist() == [-1.0, 0.0, 1.0] for values in seen)
    assert "sign0" not in dict(network.named_children())


@pytest.mark.parametrize(
    ("frame_shape", "convolutions", "padding", "rule"),
    [
        ((1, 6, 9), (4, 4, 4), 0, "Input of 'conv2' must be at least 3 x 3 pixels with its padding, not 2 x 5"),
        ((1, 3, 2), (4,), 0, "Input of 'conv0' must be at least 3 x 3 pixels with its padding, not 3 x 2"),
        ((1, 4, 9), (4, "P", "P", "P"), 0, "Input of 'pool1' must be at least 2 x 2 pixels, not 1 x 3"),
        ((1, 2, 2), (4, "P", "P"), 1, "Input of 'pool1' must be at least 2 x 2 pixels, not 1 x 1"),
    ],
)
def test_frames_too_small_for_the_layers_are_refused(
    frame_shape: tuple[int, int, int], convolutions: tuple[int | str, ...], padding: int, rule: str
) -> None:
    with pytest.raises(InputError, match=rf"^{rule}$"):
        convolutional(frame_shape, convolutions, (), 2, padding=padding)
