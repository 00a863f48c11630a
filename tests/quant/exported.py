"""Networks of Brevitas modules compared with the exact evaluation of the file that they are exported to."""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from quant.export import export
from tests.quant.lowering.exact import Evaluation
from tests.quant.lowering.exact_numbers import Numbers

__all__ = ["assert_equal_to_export", "with_statistics"]


def with_statistics(network: nn.Sequential, frame_shape: tuple[int, int, int]) -> nn.Sequential:
    """Return the network in evaluation mode, with normalizations that fit its sums."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = None  # the average of all batches
            with torch.no_grad():
                layer.weight.copy_(torch.rand(layer.weight.shape, generator=generator) * 3 - 1.5)
                layer.bias.copy_(torch.rand(layer.bias.shape, generator=generator) - 0.5)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.rand((16, *frame_shape), generator=generator))
    return network.eval()


def assert_equal_to_export(
    network: nn.Sequential, shape: tuple[int, int, int], names: tuple[str, ...], folder: Path, *, frames: int = 5
) -> dict[str, np.ndarray]:
    """Compare what modules return with exact evaluation of the exported model, without a tolerance, and return it."""
    path = folder / "model.onnx"
    export(network, shape, path)
    images = torch.randint(0, 256, (frames, *shape), generator=torch.Generator().manual_seed(1))
    seen: dict[str, np.ndarray] = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: output.numpy().astype(float)})
        )
    with torch.no_grad():
        network(images.float() / 255)
    pixels = Numbers.of(images.numpy()) * Numbers.of(255).reciprocal()
    evaluation = Evaluation(onnx.load(path), {"input": pixels.move(lambda tops: tops[0][:, None])})
    for name in names:
        exact = evaluation.tensor(f"{name}.out").fractions()[:, 0].astype(float)
        np.testing.assert_array_equal(exact, seen[name], name)
    return seen
