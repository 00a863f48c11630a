"""Values and cycles of a run together: what ``xnorflow simulate`` prints."""

from dataclasses import asdict
from typing import Any

import numpy as np

from dataflow import Network
from xnorflow.inputs import Frames
from xnorflow.timing import ASSUMED, Clock, Timing

__all__ = ["simulation_summary"]


def simulation_summary(
    network: Network, frames: Frames, *, stalls: int | None = None, clock: Clock = ASSUMED
) -> tuple[dict[str, Any], Any]:
    """Return predictions' accuracy and the exact timing of a run, and the predictions."""
    from hwsim import predict, random_stalls
    from hwsim import simulate as run_simulation

    prediction = predict(network, frames.values)
    run = run_simulation(network, len(frames), stalls=None if stalls is None else random_stalls(network, stalls))
    accuracy = None if frames.labels is None else float(np.mean(prediction.predictions == frames.labels))
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
