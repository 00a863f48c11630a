"""Simulation of a network's values and cycles: reference, packed reference, cycle simulator.

Values and time are separate computations, because control never depends on data: `hwsim.reference` (slow, obvious)
and `hwsim.packed` (fast) return the values of every stream, and `hwsim.cycle` the cycle of every beat.
"""

from hwsim.cycle import FifoUse, NodeActivity, Periodic, Run, simulate
from hwsim.frames import frames_for
from hwsim.prediction import Prediction, predict
from hwsim.stalls import Stalls, random_stalls
from hwsim.timeline import Timeline, unroll

__all__ = [
    "FifoUse",
    "NodeActivity",
    "Periodic",
    "Prediction",
    "Run",
    "Stalls",
    "Timeline",
    "frames_for",
    "predict",
    "random_stalls",
    "simulate",
    "unroll",
]
