"""What each kind of method leaves in hardware, and each kind of block, on the smallest networks that have it: values
and cycles of the RTL are those of the exported file.

On a network without shortcuts all methods leave the same netlist. So these are residual networks, on frames of 4 x 4
pixels. Constants are random, negative ones among them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hwsim
from dataflow import Network, Requantize
from quant.evaluation import predictions
from quant.export import export
from quant.lowering import lower
from quant.methods import load
from quant.models import residual
from quant.oracle import scores_of_qonnx
from sim_tests.verification import verify_rtl
from tests.quant.exported import with_statistics

pytestmark = [pytest.mark.train, pytest.mark.sim, pytest.mark.slow]

SHAPE, CLASSES = (1, 4, 4), 5

#: One method of each kind of residue; activations 0 and 1, and RPReLU with a threshold, are in `test_check`.
RESIDUES = {
    "a power of two": "irnet",
    "learned scale": "recu",
    "PReLU": "ftbnn",
    "leaky ReLU": "e2fif",
    "gate": "nam",
    "batch normalization before the sign": "repairs",
}

BLOCKS: dict[str, dict[str, Any]] = {
    "columns": {"widths": (2,), "columns": 2},
    "groups, binary shortcut, pairs": {
        "widths": (2, 4),
        "depth": 2,
        "groups": 4,
        "downsample": "binary",
        "double_residual": False,
    },
}


def randomized(network: nn.Sequential) -> nn.Sequential:
    """Return the network with random statistics, scales, slopes and shifts."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and "norm" not in name and "scores" not in name:
                parameter.copy_(torch.rand(parameter.shape, generator=generator) * 1.5 - 0.5)
    return with_statistics(network, SHAPE)


def frames() -> np.ndarray:
    """Return (50, 4, 4, 1) pixels, dark and bright frames among them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (50, 1, 1, 1)) + random.integers(-90, 91, (50, 4, 4, 1))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def assert_exact(network: nn.Sequential, folder: Path) -> Network:
    path = folder / "model.onnx"
    export(randomized(network), SHAPE, path)
    images = frames()
    lowered = lower(path, outputs="both")
    expected, found = scores_of_qonnx(path, images), hwsim.predict(lowered, images)
    assert len(np.unique(expected, axis=0)) > 5
    np.testing.assert_allclose(found.scores, expected, rtol=1e-9, atol=1e-9)  # far less than one step of a total
    np.testing.assert_array_equal(found.predictions, predictions(expected))
    result = verify_rtl(lowered, images[:2], simulator="amaranth")
    assert result.passed, str(result)
    return lowered


@pytest.mark.parametrize("residue", RESIDUES)
def test_residues(residue: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = residual(SHAPE, (2,), 1, CLASSES, after="method", method=load(RESIDUES[residue]))
    lowered = assert_exact(network, tmp_path)
    for name in ("block0_quantize", "block0_stream"):
        assert isinstance(lowered.node(name), Requantize)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_blocks(blocks: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"depth": 1, **BLOCKS[blocks]}
    assert_exact(residual(SHAPE, classes=CLASSES, after="prelu", **options), tmp_path)
