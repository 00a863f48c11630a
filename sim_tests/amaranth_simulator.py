"""Runs a network in Amaranth's own simulator, which is slow and does not involve Verilog."""

from collections.abc import Callable, Sequence
from functools import partial

from amaranth import Cat, Elaboratable, Module, Signal, Value
from amaranth.hdl import Fragment
from amaranth.sim import Simulator, SimulatorContext

from dataflow import Network
from rtl.axi import AxiTop, axi_prefixes
from rtl.platforms import FamilyPlatform
from sim_tests.bench import Bench, Drive
from sim_tests.recording import Recording, Setup

__all__ = ["Probe", "record"]


class Probe(Elaboratable):
    """A wrapper around the design for `Bench.step`: the events of a cycle in one signal, and the transferred words.

    Parameters
    ----------
    network : dataflow.Network
        The network whose `AxiTop` is run.

    Attributes
    ----------
    events : Signal
        The vector of events.
    words : dict of (str, int) to Value
        The words of FIFOs (``"write"``, ``"read"``) and outputs (``"output"``), by number.
    inputs : list of Signal
        The words offered at the inputs.
    valid, last, ready : Signal
        A bit for each input; for ``ready``, for each output.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.top = AxiTop(network)
        fifos, inputs, outputs = len(network.fifos), len(network.inputs), len(network.outputs)
        self.events = Signal(Bench.event_width(fifos, inputs, outputs))
        self.valid, self.last, self.ready = Signal(inputs), Signal(inputs), Signal(outputs)
        self.inputs = [self._port(terminal.name, "data") for terminal in network.inputs]
        self.words: dict[tuple[str, int], Value] = {}

    def _port(self, terminal: str, end: str) -> Signal:
        return getattr(self.top, f"{axi_prefixes(self.network)[terminal]}_t{end}")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.top = self.top
        writes, reads = [], []
        for index, edge in enumerate(self.network.fifos):
            fifo = self.top.core.fifos[edge.name]
            writes.append(fifo.i.valid)
            reads.append(fifo.o.valid & fifo.o.ready)
            self.words["write", index] = Value.cast(fifo.i.payload)
            self.words["read", index] = Value.cast(fifo.o.payload)
        accepted, taken, lasts = [], [], []
        for index, terminal in enumerate(self.network.inputs):
            valid, ready, last = (self._port(terminal.name, end) for end in ("valid", "ready", "last"))
            m.d.comb += [valid.eq(self.valid[index]), last.eq(self.last[index])]
            accepted.append(valid & ready)
        for index, terminal in enumerate(self.network.outputs):
            valid, ready, last = (self._port(terminal.name, end) for end in ("valid", "ready", "last"))
            m.d.comb += ready.eq(self.ready[index])
            taken.append(valid & ready)
            lasts.append(last)
            self.words["output", index] = self._port(terminal.name, "data")
        m.d.comb += self.events.eq(Cat(*writes, *reads, *accepted, *taken, *lasts, self.top.frame_error))
        return m


def _watch(watch: Callable[[int], None], done: int, cycle: int) -> None:
    watch(done + cycle)


def record(
    network: Network,
    setups: Sequence[Setup],
    *,
    progress: Callable[[str], None] | None = None,
    watch: Callable[[int], None] = lambda cycles: None,
    family: str | None = None,
) -> list[Recording]:
    """Run a network once for each setup, from its reset on, and return what was seen.

    Parameters
    ----------
    progress : called with a sentence at each step
    watch : called with the number of cycles that are simulated so far, from time to time
    family : device family that the hardware is for; models replace its cells
    """
    if progress:
        progress("Running in Amaranth's simulator")
    probe = Probe(network)
    simulator = Simulator(Fragment.get(probe, None if family is None else FamilyPlatform(family, modelled=True)))
    simulator.add_clock(1e-6)
    bench = Bench(setups[0], watch)

    async def run(ctx: SimulatorContext) -> None:
        drive: Drive | None = bench.start()
        while drive is not None:
            for index, word in drive.words.items():
                ctx.set(probe.inputs[index], word)
            for port, value in ((probe.valid, drive.valid), (probe.last, drive.last), (probe.ready, drive.ready)):
                if value is not None:
                    ctx.set(port, value)
            drive = bench.step(ctx.get(probe.events), lambda what, index: ctx.get(probe.words[what, index]))
            await ctx.tick()

    simulator.add_testbench(run)
    simulator.run()
    recordings = [bench.recording()]
    for setup in setups[1:]:
        done = sum(recording.cycles for recording in recordings)
        bench = Bench(setup, partial(_watch, watch, done))
        simulator.reset()
        simulator.run()
        recordings.append(bench.recording())
    return recordings
