"""Scores and predictions of a trained network, computed by its Brevitas modules."""

import numpy as np
import torch
from torch import nn

from quant._frames import planes_of
from quant.methods import deployed

__all__ = ["predictions", "scores_of_network"]


def predictions(scores: np.ndarray) -> np.ndarray:
    """Return the class with the largest score, the lowest index at a tie, (frames,) int64."""
    return np.asarray(scores.argmax(1), np.int64)


def scores_of_network(network: nn.Module, frames: np.ndarray, *, batch: int = 1000, double: bool = True) -> np.ndarray:
    """Run frames through a network of Brevitas modules, in evaluation mode.

    In float32 a normalized sum very close to a tie is sometimes rounded to another code than its exact value. That is
    rare, but a residual network has a million codes for each frame, and one that differs changes all after it. So the
    numbers are float64, in which the codes are those of the exact values (`double`).

    Parameters
    ----------
    network : as returned by `quant.checkpoints.load_checkpoint`; its mode and weights are not changed. Binary layers of
        a method are evaluated as those of Brevitas that are left of them
    frames : (frames, height, width, channels) uint8; the network takes ``pixel / 255`` in float32, channels first
    batch : frames at a time
    double : whether to compute in float64, which takes about three times as long, or in float32

    Returns
    -------
    scores : (frames, classes) float64
    """
    network = deployed(network)
    kind = torch.float64 if double else torch.float32
    network.to(kind)
    device = next((tensor.device for tensor in network.state_dict().values()), None)
    with torch.no_grad():
        outputs = [
            network(torch.from_numpy(planes).to(device, kind)).cpu().numpy() for planes in planes_of(frames, batch)
        ]
    return np.concatenate(outputs).astype(np.float64)
