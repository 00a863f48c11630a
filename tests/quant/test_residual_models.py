"""Residual networks: layers by name, streams of codes, the three shortcuts, and what is refused."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant import recipes
from quant.methods import BinaryLayer, binary_layers
from quant.models import build, residual
from tests.quant.exported import with_statistics

pytestmark = pytest.mark.train

SHAPE = (3, 8, 8)
STEP = 2.0**-6

BLOCK = ["sign", "conv", "norm", "quantize", "shortcut", "add", "after", "stream"]


def tiny(**options: Any) -> nn.Sequential:
    torch.manual_seed(0)
    return with_statistics(residual(SHAPE, (4, 8), 2, 3, **options), SHAPE)


def frames(count: int = 6, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    return torch.randint(0, 256, (count, *shape), generator=torch.Generator().manual_seed(3)) / 255


def inputs_of(network: nn.Sequential, names: list[str]) -> dict[str, tuple[Tensor, ...]]:
    """Return what modules read while the network classifies frames."""
    seen: dict[str, tuple[Tensor, ...]] = {}
    for name in names:
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs}))
    with torch.no_grad():
        network(frames())
    return seen


def codes(values: Tensor, bits: int, step: float) -> Tensor:
    """Return the codes of numbers, by the definition of QONNX."""
    return torch.round(values.double() / step).clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def normalized(sums: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    return F.batch_norm(sums, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


def test_layers_are_called_by_their_place() -> None:
    network = tiny()
    names = ["pixels", "quantize", "stem", "block0", "block1", "block2", "block3", "mean", "flatten", "fc", "scores"]
    assert [name for name, _ in network.named_children()] == names
    assert [name for name, _ in network.stem.named_children()] == ["conv", "norm", "quantize"]
    assert all([name for name, _ in network.get_submodule(f"block{i}").named_children()] == BLOCK for i in range(4))
    assert [name for name, _ in network.block2.shortcut.named_children()] == ["pool", "twice", "quantize"]
    assert [len(network.get_submodule(f"block{i}.shortcut")) for i in (0, 1, 3)] == [0, 0, 0]
    shapes = [tuple(network.get_submodule(f"block{i}.conv").weight.shape) for i in range(4)]
    assert shapes == [(4, 4, 3, 3), (4, 4, 3, 3), (8, 4, 3, 3), (8, 8, 3, 3)]


@pytest.mark.parametrize(("stream_bits", "step"), [(8, STEP), (5, 2.0**-3)])
@pytest.mark.parametrize("after", ["hardtanh", "prelu"])
def test_a_block_computes_on_codes(stream_bits: int, step: float, after: str) -> None:
    network = tiny(after=after, stream_bits=stream_bits, stream_step=step)
    seen = inputs_of(network, ["block0", "block1", "block2", "block3", "mean"])
    blocks = ["block0", "block1", "block2", "block3", "mean"]
    for name, following in pairwise(blocks):
        block, (stream,) = network.get_submodule(name), seen[name]
        signs = torch.where(stream >= 0, 1.0, -1.0)
        weights = torch.where(block.conv.weight >= 0, 1.0, -1.0)
        sums = F.conv2d(signs, weights, stride=block.conv.stride, padding=1)
        branch = codes(normalized(sums, block.norm), stream_bits, step)
        shortcut = codes(stream, stream_bits, step)
        if name == "block2":
            means = shortcut.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
            shortcut = codes(torch.cat((means, means), 1), stream_bits, 1.0)
        total = (branch + shortcut) * step
        slopes = block.after.weight[:, None, None] if after == "prelu" else None
        changed = total.clamp(-1, 1) if slopes is None else torch.where(total < 0, total.float() * slopes, total)
        expected = codes(changed, stream_bits, step) * step
        assert torch.equal(seen[following][0].double(), expected), name


@pytest.mark.parametrize("downsample", ["average", "zeros", "convolution", "binary"])
def test_both_addends_are_codes_of_one_grid(downsample: str) -> None:
    seen = inputs_of(tiny(downsample=downsample), [f"block{index}.add" for index in range(4)])
    for addends in seen.values():
        for addend in addends:
            assert torch.equal(codes(addend, 8, STEP) * STEP, addend.double())
            assert len(addend.unique()) > 10


def test_a_stream_is_often_zero_and_then_its_sign_is_plus() -> None:
    network = tiny(stream_bits=4, stream_step=0.25)
    seen = inputs_of(network, ["block1.sign", "block1.conv"])
    stream, signs = seen["block1.sign"][0], seen["block1.conv"][0]
    assert (stream == 0).float().mean() > 0.05
    assert torch.equal(signs, torch.where(stream >= 0, 1.0, -1.0))


@pytest.mark.parametrize("training", [False, True])
def test_hard_tanh_lets_the_gradient_pass_at_its_bounds(training: bool) -> None:
    numbers = torch.tensor([-1.5, -1.0, 0.25, 1.0, 1.25], requires_grad=True)
    outputs = tiny().block0.after.train(training)(numbers)
    outputs.sum().backward()
    assert outputs.tolist() == [-1.0, -1.0, 0.25, 1.0, 1.0]
    assert numbers.grad is not None
    assert numbers.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(("stream_bits", "step", "left_out"), [(8, STEP, True), (8, 2.0**-7, False), (3, 2.0, False)])
def test_a_rounding_left_out_in_training_changes_nothing(stream_bits: int, step: float, left_out: bool) -> None:
    network = tiny(stream_bits=stream_bits, stream_step=step).train()
    assert network.block1.rounded is left_out
    results = []
    for rounded in (left_out, False):
        for index in range(4):
            network.get_submodule(f"block{index}").rounded = rounded
        network.zero_grad()
        scores = network(frames())
        scores[:, 0].sum().backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        results.append([scores, *gradients])
    assert len(results[0]) > 10
    assert all(torch.equal(left, right) for left, right in zip(*results, strict=True))
    assert not tiny(after="prelu").block0.rounded


def test_zeros_are_every_second_pixel_and_zero_channels() -> None:
    shortcut = tiny(downsample="zeros").block2.shortcut
    assert [name for name, _ in shortcut.named_children()] == ["skip", "zeros", "quantize"]
    stream = torch.randint(-64, 65, (2, 4, 8, 8)) * STEP
    outputs = shortcut(stream)
    assert torch.equal(outputs[:, :4], stream[:, :, ::2, ::2])
    assert torch.equal(outputs[:, 4:], torch.zeros(2, 4, 4, 4))


def test_a_convolution_in_a_shortcut_has_weights_of_8_bits() -> None:
    shortcut = tiny(downsample="convolution").block2.shortcut
    assert [name for name, _ in shortcut.named_children()] == ["conv", "norm", "quantize"]
    assert tuple(shortcut.conv.weight.shape) == (8, 4, 1, 1)
    assert shortcut.conv.quant_weight().bit_width == 8
    assert shortcut.conv.stride == (2, 2)


def signs(numbers: Tensor) -> Tensor:
    return torch.where(numbers >= 0, 1.0, -1.0)


def test_a_binary_convolution_in_a_shortcut_reads_the_signs_of_means() -> None:
    shortcut = tiny(downsample="binary", after="prelu").block2.shortcut
    assert [name for name, _ in shortcut.named_children()] == ["pool", "sign", "conv", "norm", "quantize"]
    assert isinstance(shortcut.conv, BinaryLayer)
    assert tuple(shortcut.conv.weight.shape) == (8, 4, 1, 1)
    assert shortcut.conv.weight.abs().max() <= 0.5  # small enough to change their sign
    stream = torch.randint(-64, 65, (2, 4, 8, 8)) * STEP
    means = stream.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    sums = F.conv2d(signs(means), signs(shortcut.conv.weight))
    assert torch.equal(shortcut(stream).double(), codes(normalized(sums, shortcut.norm), 8, STEP) * STEP)


def test_groups_have_wider_layers_of_as_many_products() -> None:
    plain, grouped = residual(SHAPE, (4, 8), 2, 3), residual(SHAPE, (4, 8), 2, 3, groups=4)
    for index in range(4):
        convolutions = [each.get_submodule(f"block{index}.conv") for each in (plain, grouped)]
        assert [each.groups for each in convolutions] == [1, 4]
        assert convolutions[1].out_channels == 2 * convolutions[0].out_channels
        assert convolutions[0].weight.numel() == convolutions[1].weight.numel()
    assert grouped.stem.conv.groups == 1
    assert grouped.fc.in_features == 16
    assert grouped.eval()(frames(2)).shape == (2, 3)


@pytest.mark.parametrize("groups", [2, 9])
def test_groups_must_divide_the_wider_layers(groups: int) -> None:
    rule = rf"^groups must be a square number whose root divides all widths, 4, 8, not {groups}$"
    with pytest.raises(InputError, match=rule):
        residual(SHAPE, (4, 8), 2, 3, groups=groups)


def test_columns_are_means_of_a_longer_and_a_shorter_path() -> None:
    network = tiny(columns=3)
    block = network.block2
    names = [name for name, module in block.named_modules() if type(module).__name__ == "Block"]
    parts = [f"{half}.{part}" for half in ("first", "second") for part in ("first", "second", "single")]
    assert names == [*parts, "single"]
    halving = [name for name in names if block.get_submodule(f"{name}.conv").stride == (2, 2)]
    assert halving == ["first.first", "first.single", "single"]
    stream = torch.randint(-64, 65, (2, 4, 8, 8)) * STEP

    def mean(left: Tensor, right: Tensor) -> Tensor:
        totals = ((left + right) / STEP).double()
        assert torch.equal(totals, totals.round())
        return (codes(totals / 2, 8, 1.0) * STEP).float()

    def of_two(part: Any, numbers: Tensor) -> Tensor:
        return mean(part.second(part.first(numbers)), part.single(numbers))

    expected = mean(of_two(block.second, of_two(block.first, stream)), block.single(stream))
    assert torch.equal(block(stream), expected)
    assert torch.equal(block.train().eval()(stream), expected)


@pytest.mark.parametrize("after", ["hardtanh", "prelu"])
def test_two_convolutions_have_one_shortcut(after: str) -> None:
    network = tiny(double_residual=False, after=after)
    assert [name for name, _ in network.named_children()][3:5] == ["block0", "block1"]
    block = network.block1
    assert [name for name, _ in block.first.named_children()] == ["sign", "conv", "norm", "after"]
    assert [block.first.conv.stride, block.conv.stride] == [(2, 2), (1, 1)]
    stream = torch.randint(-64, 65, (2, 4, 8, 8)) * STEP
    sums = F.conv2d(signs(stream), signs(block.first.conv.weight), stride=2, padding=1)
    between = block.first.after(normalized(sums, block.first.norm))
    sums = F.conv2d(signs(between), signs(block.conv.weight), padding=1)
    branch = codes(normalized(sums, block.norm), 8, STEP) * STEP
    total = block.after(branch.float() + block.shortcut(stream))
    assert torch.equal(block(stream).double(), codes(total, 8, STEP) * STEP)


def test_one_shortcut_for_two_convolutions_needs_pairs() -> None:
    rule = r"^depth of a network with a shortcut for two convolutions must be even, not 3$"
    with pytest.raises(InputError, match=rule):
        residual(SHAPE, (4, 8), 3, 3, double_residual=False)


def test_binary_weights_of_blocks_start_small_enough_to_change_their_sign() -> None:
    network = residual(SHAPE, (4, 8), 2, 3)
    assert 0.1 < network.block0.conv.weight.abs().max() <= 1 / 6
    assert residual(SHAPE, (4, 8), 2, 3, weight_bits=2).block0.conv.weight.abs().max() > 0.5


def test_widths_may_stay_or_grow() -> None:
    assert residual(SHAPE, (4, 4), 1, 3).eval()(frames(2)).shape == (2, 3)
    assert residual(SHAPE, (4, 4), 1, 3, downsample="zeros").eval()(frames(2)).shape == (2, 3)
    assert residual(SHAPE, (4, 7), 1, 3, downsample="zeros").eval()(frames(2)).shape == (2, 3)
    assert residual(SHAPE, (4, 3), 1, 3, downsample="convolution").eval()(frames(2)).shape == (2, 3)


def test_stem_and_classifier_have_weights_of_8_bits_or_fewer() -> None:
    network = tiny()
    assert (network.stem.conv.quant_weight().bit_width, network.fc.quant_weight().bit_width) == (8, 8)
    network = tiny(stem_bits=1, head_bits=2)
    assert isinstance(network.stem.conv, BinaryLayer)
    assert network.fc.quant_weight().bit_width == 2


def test_the_large_stem_divides_the_image_by_four() -> None:
    network = residual((3, 40, 32), (4, 8), 1, 3, stem="7x7").eval()
    assert [name for name, _ in network.stem.named_children()] == ["conv", "norm", "quantize", "pool"]
    assert network.stem(torch.zeros(1, 3, 40, 32)).shape == (1, 4, 10, 8)
    assert network(frames(2, (3, 40, 32))).shape == (2, 3)


def test_evaluation_is_a_function_of_the_frame() -> None:
    network = tiny()
    with torch.no_grad():
        together = network(frames())
        assert torch.equal(together, network(frames()))
        assert torch.equal(together, torch.cat([network(frame[None]) for frame in frames()]))
    assert len(together.unique()) > 10


@pytest.mark.parametrize(
    ("name", "image", "blocks", "binary_weights"),
    [
        ("resnet20-w1a1", 32, 18, 267_264),
        pytest.param("resnet20-prelu-w1a1", 32, 18, 267_264, marks=pytest.mark.slow),
        ("resnet18-w1a1", 32, 16, 10_985_472),
        pytest.param("resnet18-224-w1a1", 224, 16, 10_985_472, marks=pytest.mark.slow),
    ],
)
def test_the_packages_recipes_are_the_fields_networks(name: str, image: int, blocks: int, binary_weights: int) -> None:
    network = build(recipes.load(name), (3, image, image), 10).eval()
    assert sum(layer.weight.numel() for layer in binary_layers(network)) == binary_weights
    assert len([name for name, _ in network.named_children() if name.startswith("block")]) == blocks
    assert network(torch.rand(1, 3, image, image)).shape == (1, 10)


def test_images_that_cannot_be_halved_are_refused() -> None:
    rule = r"^Input of 'block2' must be an even number of pixels high and wide, not 8 x 9$"
    with pytest.raises(InputError, match=rule):
        residual((3, 8, 9), (4, 8), 2, 3)
