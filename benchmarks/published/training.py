"""A training of minutes, and torch's export."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.datasets import Dataset

__all__ = ["accuracy", "export", "train"]


def train(
    network: nn.Module,
    training: Dataset,
    *,
    minutes: float,
    images: int,
    batch: int = 100,
    rate: float = 0.004,
    say: Callable[[str], None] = lambda text: None,
) -> nn.Module:
    """Train a network on pixel / 255 for some minutes, and return it in evaluation mode.

    Layers compute in bfloat16, parameters are float32. The learning rate follows half a cosine over the time.

    Parameters
    ----------
    minutes : of wall-clock time
    images : of the training set, the first
    batch, rate : of Adam
    say : called with a line after each epoch
    """
    planes = torch.from_numpy(training.images[:images].transpose(0, 3, 1, 2).copy())
    targets = torch.from_numpy(training.labels[:images].astype(np.int64))
    optimizer = torch.optim.Adam(network.parameters(), rate)
    random = torch.Generator().manual_seed(0)
    network.train().to(memory_format=torch.channels_last)
    start, epoch, done = time.monotonic(), 0, 0.0
    while done < 1:
        losses = []
        for rows in torch.randperm(len(planes), generator=random).split(batch):
            done = (time.monotonic() - start) / (60 * minutes)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + np.cos(np.pi * done)) / 2
            losses.append(_step(network, optimizer, _moved(planes[rows], random), targets[rows]))
        epoch += 1
        say(f"epoch {epoch}, {done:.0%} of the time: loss {np.mean(losses or [0]):.3f}")
    return network.eval().requires_grad_(False)


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, planes: Tensor, targets: Tensor) -> float:
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        scores = network(planes.to(memory_format=torch.channels_last))
    loss = F.cross_entropy(scores.float(), targets)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _moved(planes: Tensor, random: torch.Generator) -> Tensor:
    """Return pixel / 255 of images, all shifted by up to 4 pixels, and all or none mirrored."""
    row, column, mirrored = (int(torch.randint(size, (1,), generator=random)) for size in (9, 9, 2))
    height, width = planes.shape[2:]
    moved = F.pad(planes, (4, 4, 4, 4))[:, :, row : row + height, column : column + width]
    return (moved.flip(3) if mirrored else moved).float() / 255


def accuracy(network: nn.Module, test: Dataset) -> float:
    """Return the share of images whose class a network finds, in float32."""
    found = 0
    for start in range(0, len(test.images), 500):
        planes = torch.from_numpy(test.images[start : start + 500].transpose(0, 3, 1, 2).astype(np.float32) / 255)
        with torch.no_grad():
            classes = network(planes).argmax(1).numpy()
        found += int((classes == test.labels[start : start + 500]).sum())
    return found / len(test.images)


def export(network: nn.Module, shape: tuple[int, int, int], path: Path, *, dynamo: bool = False) -> Path:
    """Write a network in evaluation mode as ONNX, with one of torch's two exporters.

    Parameters
    ----------
    shape : channels, height and width
    dynamo : the newer exporter; published files come from either
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters about each other and about torch itself
        torch.onnx.export(network.eval(), (torch.zeros(1, *shape),), str(path), dynamo=dynamo, verbose=False)
    return path
