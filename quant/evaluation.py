"""What a trained network returns, and how good it is, computed by its Brevitas modules."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from quant._frames import planes_of
from quant.methods import deployed
from quant.tasks import Task

__all__ = ["figure_of_network", "predictions", "scores_of_network"]

#: Frames at a time, and pixels of all of them together.
_FRAMES, _PIXELS = 1000, 1 << 20


def predictions(scores: np.ndarray) -> np.ndarray:
    """Return the class with the largest score, the lowest index at a tie, (frames,) int64."""
    return np.asarray(scores.argmax(1), np.int64)


def scores_of_network(
    network: nn.Module, frames: np.ndarray, *, batch: int | None = None, double: bool = True
) -> np.ndarray:
    """Run frames through a network of Brevitas modules, in evaluation mode.

    In float32 a normalized sum very close to a tie is sometimes rounded to another code than its exact value. That is
    rare, but a residual network has a million codes for each frame, and one that differs changes all after it. So the
    numbers are float64, in which the codes are those of the exact values (`double`).

    Parameters
    ----------
    network : as returned by `quant.checkpoints.load_checkpoint`; its mode and weights are not changed. Binary layers of
        a method are evaluated as those of Brevitas that are left of them
    frames : (frames, height, width, channels) uint8; the network takes ``pixel / 255`` in float32, channels first
    batch : frames at a time; by default 1,000, or fewer of large images
    double : whether to compute in float64, which takes about three times as long, or in float32

    Returns
    -------
    scores : (frames, classes) float64
    """
    outputs = [each.cpu().numpy() for each in _outputs(network, frames, batch, double=double)]
    return np.concatenate(outputs).astype(np.float64)


def figure_of_network(
    network: nn.Module, frames: np.ndarray, targets: np.ndarray, task: Task, *, double: bool = True
) -> float:
    """Return how good a network is, by the task's figure; the other parameters are those of `scores_of_network`.

    Parameters
    ----------
    targets : as the task has them (`quant.datasets.checked_targets`)
    """
    metric, done = task.metric(), 0
    for outputs in _outputs(network, frames, None, double=double):
        metric.update(outputs.cpu(), torch.from_numpy(targets[done : done + len(outputs)]))
        done += len(outputs)
    return float(metric.compute())


def _outputs(network: nn.Module, frames: np.ndarray, batch: int | None, *, double: bool) -> Iterator[Tensor]:
    network = deployed(network)
    kind = torch.float64 if double else torch.float32
    network.to(kind)
    device = next((tensor.device for tensor in network.state_dict().values()), None)
    if batch is None:
        batch = max(1, min(_FRAMES, _PIXELS // max(1, frames[:1, ..., 0].size)))
    for planes in planes_of(frames, batch):
        with torch.no_grad():
            outputs = network(torch.from_numpy(planes).to(device, kind))
        yield outputs
