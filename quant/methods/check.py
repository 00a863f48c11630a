"""Checks of any binarization method: whether it trains, and whether what it leaves is exact in hardware.

Lowering needs no knowledge of methods because what is left of each is a constant for each channel, or a function of one
number for each channel. A method of one's own can break that, and these checks say where.

The networks are small, on digits of 8 x 8 pixels: one dense, one convolutional, and one residual network, in which
what the method has after a layer follows each addition.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError, Network
from dataflow.errors import require_known
from quant import datasets
from quant._optimizers import optimizer_of
from quant.evaluation import predictions
from quant.lowering import lower
from quant.methods import BinaryLayer, BinarySign, Method, Shared, binary_layers, deployed, load, shared_of
from quant.methods._deploy import ChannelScale, ChannelShift
from quant.models import build
from quant.oracle import scores_of_qonnx
from quant.recipes import ConvolutionalRecipe, DenseRecipe, Recipe, ResidualRecipe
from quant.training import train

__all__ = ["KINDS", "Finding", "Lowered", "MethodCheck", "finding"]

#: The networks that a method is checked with.
KINDS = ("dense", "convolutional", "residual")

_FRAME_SHAPE, _CLASSES = (1, 8, 8), 10
_TRAINED, _TESTED, _BATCH = 400, 200, 100


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    name : of the check
    passed : whether the method fulfils it
    text : what was found
    """

    name: str
    passed: bool
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {'ok' if self.passed else 'FAILED'}, {self.text}"

    def to_json(self) -> dict[str, object]:
        """Return the result as JSON values."""
        return {"name": self.name, "passed": self.passed, "text": self.text}


@dataclass(frozen=True)
class Lowered:
    """A trained network after lowering, and what its QONNX file predicts.

    Parameters
    ----------
    network : the description
    frames : (frames, height, width, channels) uint8
    predictions : (frames,) int64, of the QONNX file
    """

    network: Network
    frames: np.ndarray
    predictions: np.ndarray


def finding(name: str, check: Callable[[], str]) -> Finding:
    """Return the result of a check: the text that it returns, or an error that it raises.

    An error other than an `InputError` comes from the method's own code, so the text has the line that raised it.
    """
    try:
        return Finding(name, True, check())
    except InputError as error:
        return Finding(name, False, str(error))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return Finding(name, False, f"ended in {type(error).__name__}: {error} ({where})")


@dataclass(frozen=True)
class MethodCheck:
    """The checks of one method; each returns what it found, and raises an `InputError` that says what is wrong.

    Parameters
    ----------
    name : of the method, or file and class as in ``my_methods.py:Mine``
    options : values for its constants
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def method(self) -> Method:
        """Return the method."""
        return load(self.name, self.options)

    def recipe(self, kind: str) -> Recipe:
        """Return the recipe of a network of a kind, with at least one epoch for each stage of the method."""
        require_known("Kind of network", kind, KINDS)
        common: dict[str, Any] = {
            "dataset": "arrays",
            "epochs": max(2, len(self.method().stages())),
            "batch_size": _BATCH,
            "method": self.name,
            "options": self.options,
        }
        if kind == "dense":
            return DenseRecipe(name=kind, hidden=(12, 9), **common)
        if kind == "convolutional":
            return ConvolutionalRecipe(name=kind, hidden=(8,), convolutions=(4, "P", 6), padding="zero", **common)
        return ResidualRecipe(name=kind, widths=(4, 8), depth=1, after="method", **common)

    def channels(self) -> str:
        """Check that signs and what follows a layer are functions of one number for each channel, in evaluation."""
        shared = Shared(self.method())
        modules = {"Sign": BinarySign(5, shared=shared), "What the method has after a layer": shared.method.after(5)}
        checked = {name: module.eval() for name, module in modules.items() if module is not None}
        for name, module in checked.items():
            _randomize(module)
            _check_independent(name, module)
        return "each output depends on one number of its own channel"

    def gradients(self, kind: str) -> str:
        """Check that all gradients are finite in each stage, and that they reach all binary weights."""
        recipe = self.recipe(kind)
        network = self._network(recipe)
        steps, reached = 0, [False] * len(binary_layers(network))
        for stage, progress in _moments(shared_of(network).method):
            shared_of(network).clock.set(shared_of(network).method, progress, stage)
            _step(network, recipe)
            steps += 1
            for index, layer in enumerate(binary_layers(network)):
                gradient = layer.weight.grad
                reached[index] |= gradient is not None and bool(gradient.any())
        if not all(reached):
            layers = [name for name, module in network.named_modules() if isinstance(module, BinaryLayer)]
            names = ", ".join(name for name, one in zip(layers, reached, strict=True) if not one)
            raise InputError(f"Gradients of binary weights must not all be 0 in each stage, as those of {names} are")
        return f"finite in {steps} steps"

    def inference(self, kind: str) -> str:
        """Check that a network is the same after `deployed`, with weights of -1 and +1 and finite constants."""
        recipe = self.recipe(kind)
        network = self._network(recipe)
        last, progress = _moments(shared_of(network).method)[-1]
        shared_of(network).clock.set(shared_of(network).method, progress, last)
        for _ in range(3):
            _step(network, recipe)
        network.eval()
        final = deployed(network)
        weights = _check_constants(network, final)
        images = _batch()
        with torch.no_grad():
            differing = int((network(images) != final(images)).any(1).sum())
        if differing:
            raise InputError(
                "Scores in evaluation must be those of weights of -1 and +1 and of constants, "
                f"not others in {differing} of {len(images)} frames"
            )
        return f"{weights} weights are -1 or +1, and scores are the same"

    def lowered(self, kind: str, folder: Path) -> Lowered:
        """Train a network for a few steps, export it and lower it.

        Parameters
        ----------
        folder : for data and results; it must exist
        """
        for split, count in (("train", _TRAINED), ("test", _TESTED)):
            (folder / "arrays").mkdir(exist_ok=True)
            images, labels = _digits(split, count)
            np.save(folder / "arrays" / f"{split}_images.npy", images)
            np.save(folder / "arrays" / f"{split}_labels.npy", labels)
        result = train(self.recipe(kind), data=folder, out=folder / kind, progress=False)
        losses = [epoch["loss"] for epoch in result.metrics["history"]]
        if not np.isfinite(losses).all():
            raise InputError(f"Loss of each epoch must be finite, not {losses}")
        frames = _digits("test", _TESTED)[0]
        return Lowered(lower(result.model), frames, predictions(scores_of_qonnx(result.model, frames)))

    def _network(self, recipe: Recipe) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(recipe, _FRAME_SHAPE, _CLASSES)


def _digits(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return digits as means of 4 x 4 pixels, (count, 8, 8, 1) uint8, and their labels."""
    digits = datasets.load("mnist-sample", split)
    padded = np.pad(digits.images[:count, :, :, 0], ((0, 0), (2, 2), (2, 2)))
    means = padded.reshape(count, 8, 4, 8, 4).mean((2, 4), keepdims=True)
    return means.reshape(count, 8, 8, 1).astype(np.uint8), digits.labels[:count]


def _batch() -> Tensor:
    images, _ = _digits("train", _BATCH)
    return torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255))


def _moments(method: Method) -> list[tuple[int, float]]:
    """Return start and end of each stage, as its index and the progress of the training."""
    moments, start = [], 0.0
    for index, stage in enumerate(method.stages()):
        end = min(start + stage.share, 1.0)
        moments += [(index, start), (index, end)]
        start = end
    return moments


def _step(network: nn.Module, recipe: Recipe) -> None:
    """Do one step of a training, with finite gradients."""
    shared, layers = shared_of(network), binary_layers(network)
    optimizer = optimizer_of(recipe, network.train(), shared.classifier)
    labels = torch.from_numpy(_digits("train", _BATCH)[1])
    loss = shared.method.loss(network, _batch(), labels, F.cross_entropy)
    penalty = shared.method.penalty(layers)
    optimizer.zero_grad()
    (loss if penalty is None else loss + penalty).backward()
    for name, parameter in _trained(network, shared):
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise InputError(
                f"Gradients of {name} must be finite at progress {shared.clock.progress.item():.2f} "
                f"in stage {shared.method.stages()[shared.clock.stage].name!r}"
            )
    optimizer.step()
    for layer in layers:
        shared.method.after_step(layer)


def _trained(network: nn.Module, shared: Shared) -> Iterator[tuple[str, nn.Parameter]]:
    yield from network.named_parameters()
    if shared.classifier is not None:
        yield from shared.classifier.named_parameters(prefix="classifier")


def _check_constants(network: nn.Module, final: nn.Module) -> int:
    """Check weights and constants of a deployed network; return how many weights its binary layers have."""
    count = 0
    for layer in binary_layers(network):
        with torch.no_grad():
            values = layer.shared.method.latent(layer)
        if values.shape != layer.weight.shape:
            raise InputError(
                f"Real-valued weights must have the shape {tuple(layer.weight.shape)}, not {tuple(values.shape)}"
            )
        if not values.isfinite().all():
            raise InputError("Real-valued weights must be finite after a few steps")
        weights, factors = layer.final()
        if factors is not None and factors.shape != (layer.neurons,):
            raise InputError(
                f"Factors of a layer must be one for each channel, {(layer.neurons,)}, not {tuple(factors.shape)}"
            )
        assert ((weights == -1) | (weights == 1)).all()
        count += weights.numel()
    for name, module in final.named_modules():
        constants = [each for each in module.buffers(recurse=False) if isinstance(module, ChannelScale | ChannelShift)]
        if not all(each.isfinite().all() for each in constants):
            raise InputError(f"Constants of {name} must be finite after a few steps")
    return count


def _randomize(module: nn.Module) -> None:
    """Give each parameter a random change, so that no learned number is 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=generator) * 0.2)


@torch.no_grad()
def _check_independent(name: str, module: nn.Module) -> None:
    """Check that an output changes with no other input than its own, and is the same function at each pixel."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((2, 5, 4, 3), generator=generator)
    outputs = module(images)
    if outputs.shape != images.shape:
        raise InputError(f"{name} must keep the shape {tuple(images.shape)}, not return {tuple(outputs.shape)}")
    if not outputs.isfinite().all():
        raise InputError(f"{name} must return finite numbers")
    for channel in range(images.shape[1]):
        others = torch.randn(images.shape, generator=generator) * 3 + 1
        others[0, channel, 1, 2] = images[0, channel, 1, 2]
        if module(others)[0, channel, 1, 2] != outputs[0, channel, 1, 2]:
            raise InputError(f"{name} must depend on one number of its own channel, not on others")
    rows = torch.randn((1, 5, 1, 1), generator=generator).expand(2, 5, 4, 3)
    if not torch.equal(module(rows), module(rows)[:1, :, :1, :1].expand(2, 5, 4, 3)):
        raise InputError(f"{name} must be the same function at each pixel of a channel")
