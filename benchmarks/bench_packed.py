"""The packed reference compared with the slow one."""

from functools import partial

import numpy as np

from benchmarks.networks import LFC, SFC, TFC, cnv, folded
from benchmarks.rows import Measurement, seconds_of
from hwsim import packed, predict, reference
from sim_tests.cases import random_frames

__all__ = ["rows"]

FRAMES = 10_000


def rows() -> list[Measurement]:
    """Return frames per second of both, and their ratio."""
    figures = []
    for name, sizes in (("TFC", TFC), ("SFC", SFC), ("LFC", LFC)):
        network = folded(sizes, 4096)
        frames = random_frames(network, FRAMES).astype(np.uint8)
        fast = FRAMES / seconds_of(partial(predict, network, frames))
        figures.append(Measurement(f"{name}, predictions of {FRAMES:,} frames", fast, "frames/s"))
        if name == "TFC":
            few = frames[:2]
            slow = 2 / seconds_of(partial(reference.evaluate, network, few), repeats=1)
            every = FRAMES / seconds_of(partial(packed.evaluate, network, frames))
            figures.append(Measurement("TFC, all streams", every, "frames/s"))
            figures.append(Measurement("TFC, the reference", slow, "frames/s"))
            figures.append(Measurement("TFC, gain of packed predictions over the reference", fast / slow, "times"))
    network = cnv()
    images = random_frames(network, FRAMES).astype(np.uint8)
    every = FRAMES / seconds_of(lambda: predict(network, images))
    figures.append(Measurement(f"CNV, predictions of {FRAMES:,} frames", every, "frames/s"))
    slow = 1 / seconds_of(lambda: reference.evaluate(network, images[:1]), repeats=1)
    figures.append(Measurement("CNV, the reference", slow, "frames/s"))
    return figures
