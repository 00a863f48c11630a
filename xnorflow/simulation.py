"""Values and cycles of a run together, as ``xnorflow simulate`` prints them."""

from dataclasses import asdict
from typing import Any

import numpy as np

from dataflow import Network
from xnorflow.inputs import Frames
from xnorflow.timing import ASSUMED, Clock, Timing

__all__ = ["accuracy_of", "simulation_summary"]


def accuracy_of(predictions: np.ndarray, labels: np.ndarray | None) -> float | None:
    """Return the share of frames that are answered as their labels say, or None where labels do not say it.

    Parameters
    ----------
    predictions : (frames,) classes; (frames, height, width) classes of positions; or (frames, *shape) bits
    labels : (frames,) classes, or for one bit per frame 0 or 1; (frames, height, width) classes, of which the share
        that is right counts; or (frames, *shape) bits, which must all be right
    """
    if labels is None:
        return None
    frames = len(predictions)
    if predictions.ndim > 1 and predictions.size == labels.size == frames:
        if not np.isin(labels, (0, 1)).all():
            return None
        predictions, labels = predictions.reshape(frames), labels.reshape(frames)
    if predictions.shape != labels.shape:
        return None
    if predictions.ndim == 3:
        return float(np.mean(predictions == labels))
    return float(np.mean((predictions == labels).reshape(frames, -1).all(axis=1)))


def simulation_summary(
    network: Network, frames: Frames, *, stalls: int | None = None, clock: Clock = ASSUMED
) -> tuple[dict[str, Any], Any]:
    """Return the accuracy and the exact timing of a run, and its predictions."""
    from hwsim import predict, random_stalls
    from hwsim import simulate as run_simulation

    prediction = predict(network, frames.values)
    run = run_simulation(network, len(frames), stalls=None if stalls is None else random_stalls(network, stalls))
    accuracy = accuracy_of(prediction.predictions, frames.labels)
    result = {
        "frames": len(frames),
        "accuracy": accuracy,
        "cycles": {
            "first_beat_latency": run.first_beat_latency,
            "first_frame_latency": run.first_frame_latency,
            "interval": run.interval,
            "interval_deviation": run.interval_deviation,
            "total": run.total,
        },
        "timing": Timing(run.first_frame_latency, run.interval, clock).to_json(),
        "nodes": [asdict(node) for node in run.nodes],
        "fifos": [asdict(fifo) for fifo in run.fifos],
        "periodic": None if run.periodic is None else asdict(run.periodic),
    }
    return result, prediction
