"""How time grows with the number of layers: a figure per size, and the exponent of the growth."""

from functools import partial

import numpy as np

from benchmarks.networks import deep
from benchmarks.rows import Measurement, processor_seconds_of
from dataflow import Network, fold, fold_to_interval
from hwsim.cycle.stepper import Stepper
from hwsim.fifo_sizing import shrink_depths
from hwsim.stalls import Stalls

__all__ = ["rows"]

LAYERS = (5, 10, 20, 50, 100, 200)
FRAMES = 50


def rows() -> list[Measurement]:
    """Return seconds of processor time by the number of layers, and the exponents fitted to them."""
    networks = [deep(layers) for layers in LAYERS]
    work, figures = [], []
    for network in networks:
        stepper, seconds = _stepped(network)
        node_cycles = len(network.nodes) * stepper.marks[FRAMES].end
        figures.append(Measurement(f"{len(network.nodes)} nodes, {FRAMES} frames stepped", seconds, "s"))
        work.append((node_cycles, seconds))
    figures.append(
        Measurement("simulation, exponent over nodes x cycles", _exponent(*zip(*work, strict=True)), "", "<= 1")
    )
    # The time of a trial of depths is proportional to the layers, and so is the number of FIFOs to try.
    for what, of, count in (("folding search", search, len(LAYERS)), ("FIFO sizing", shrink_depths, 4)):
        times = [processor_seconds_of(partial(of, each), repeats=1) for each in networks[:count]]
        figures += [
            Measurement(f"{layers} layers, {what}", each, "s") for layers, each in zip(LAYERS, times, strict=False)
        ]
        figures.append(Measurement(f"{what}, exponent over layers", _exponent(LAYERS[:count], times), "", "<= 2"))
    return figures


def search(network: Network) -> Network:
    """Fold a network to half of its interval, without sizing its FIFOs."""
    return fold(network, fold_to_interval(network, network.interval // 2))


def _stepped(network: Network) -> tuple[Stepper, float]:
    steppers: list[Stepper] = []

    def step() -> None:
        stepper = Stepper(network, Stalls.none())
        while stepper.frames < FRAMES:
            stepper.step()
        steppers.append(stepper)

    seconds = processor_seconds_of(step)
    return steppers[-1], seconds


def _exponent(sizes: tuple[float, ...], seconds: list[float] | tuple[float, ...]) -> float:
    """Return the exponent of the power of the size that fits the seconds best, by least squares of logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
