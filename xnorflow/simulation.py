"""Values and cycles of a run together: what ``xnorflow simulate`` prints."""

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
            "total": run.total,
        },
        "timing": Timing(run.first_frame_latency, run.interval, clock).to_json(),
        "nodes": [{"name": n.name, "busy": n.busy, "starved": n.starved, "blocked": n.blocked} for n in run.nodes],
        "fifos": [{"name": f.name, "depth": f.depth, "max_occupancy": f.max_occupancy} for f in run.fifos],
    }
    return result, prediction
