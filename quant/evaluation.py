"""Scores and predictions of a trained network, computed by its Brevitas modules."""

import copy

import numpy as np
import torch
from torch import nn

from quant._frames import planes_of

__all__ = ["predictions", "scores_of_network"]


def predictions(scores: np.ndarray) -> np.ndarray:
    """Return the class with the largest score, the lowest index at a tie, (frames,) int64."""
    return np.asarray(scores.argmax(1), np.int64)


def scores_of_network(network: nn.Module, frames: np.ndarray, *, batch: int = 1000) -> np.ndarray:
    """Run frames through a network of Brevitas modules, in evaluation mode.

    Parameters
    ----------
    network : as returned by `quant.training.load_checkpoint`; its mode and weights are not changed
    frames : (frames, height, width, channels) uint8; the network takes ``pixel / 255`` in float32, channels first
    batch : frames at a time

    Returns
    -------
    scores : (frames, classes) float64
    """
    network = copy.deepcopy(network).eval()  # a forward pass of Brevitas clips weights in place
    with torch.no_grad():
        outputs = [network(torch.from_numpy(planes)).numpy() for planes in planes_of(frames, batch)]
    return np.concatenate(outputs).astype(np.float64)
