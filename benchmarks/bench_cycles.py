"""The cycle simulator: node-cycles per second of processor time, and the time of a long run."""

from functools import partial

from benchmarks.networks import LFC, SFC, TFC, deep, folded, folded_cnv
from benchmarks.rows import Measurement, processor_seconds_of
from dataflow import Network
from hwsim import simulate
from hwsim.cycle.stepper import Stepper
from hwsim.fifo_sizing import shrink_depths
from hwsim.stalls import Stalls

__all__ = ["rows"]


def rows() -> list[Measurement]:
    """Return node-cycles per second without the periodic state, and seconds of complete runs with it."""
    figures = []
    for name, sizes, interval in (("TFC", TFC, 784), ("SFC", SFC, 784), ("SFC", SFC, 4096), ("LFC", LFC, 16_384)):
        network = folded(sizes, interval)
        rate = stepped_node_cycles(network, 100)
        what = f"{name} at interval {network.interval}, {len(network.nodes)} nodes, every frame stepped"
        figures.append(Measurement(what, rate, "node-cycles/s", "300,000,000"))
    for layers in (5, 20, 50, 100, 200):
        network = deep(layers)
        rate = stepped_node_cycles(network, 50)
        figures.append(Measurement(f"{len(network.nodes)} nodes, every frame stepped", rate, "node-cycles/s"))
    network = folded(SFC, 4096)
    seconds = processor_seconds_of(lambda: simulate(network, 10_000))
    figures.append(Measurement("SFC at interval 4096, exact timing of 10,000 frames", seconds, "s"))
    network = folded_cnv()
    rate = stepped_node_cycles(network, 10)
    what = f"CNV at interval {network.interval}, {len(network.nodes)} nodes, every frame stepped"
    figures.append(Measurement(what, rate, "node-cycles/s"))
    seconds = processor_seconds_of(lambda: simulate(network, 10_000))
    figures.append(Measurement(f"CNV at interval {network.interval}, exact timing of 10,000 frames", seconds, "s"))
    sized = {"TFC": folded(TFC, 784), "SFC": folded(SFC, 784), "CNV": network}
    for name, network in sized.items():
        seconds = processor_seconds_of(partial(shrink_depths, network))
        what = f"{name} at interval {network.interval}, smallest depths of {len(network.fifos)} FIFOs"
        figures.append(Measurement(what, seconds, "s", "<= 5 s" if name == "CNV" else ""))
    return figures


def stepped_node_cycles(network: Network, frames: int) -> float:
    """Return nodes times cycles simulated per second of processor time, with every frame stepped."""
    cycles = 0

    def step() -> None:
        nonlocal cycles
        stepper = Stepper(network, Stalls.none())
        while stepper.frames < frames:
            stepper.step()
        cycles = stepper.marks[frames].end

    seconds = processor_seconds_of(step)
    return len(network.nodes) * cycles / seconds
