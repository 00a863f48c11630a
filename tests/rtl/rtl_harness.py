"""Runs hardware in the Amaranth simulator, cycle by cycle, and records what passes its ports."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from amaranth import Value
from amaranth.sim import Simulator

import dataflow
from rtl.core import Core

STALL = 2000  #: cycles without a beat anywhere after which a run is given up


@dataclass
class Port:
    """What passed a port: the cycle of each beat and its word."""

    cycles: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


def run(dut, step, *, limit: int = 10**6) -> None:
    """Clock `dut`: call ``step(ctx, cycle)`` in every cycle before the edge until it returns True."""

    async def bench(ctx):
        for cycle in range(limit):
            if step(ctx, cycle):
                return
            await ctx.tick()
        raise AssertionError(f"no end within {limit} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def gate_open(gate: Sequence[bool], cycle: int) -> bool:
    """Return whether a gate, repeated for ever, is open; an empty one always is."""
    return not len(gate) or bool(gate[cycle % len(gate)])


def run_core(network: dataflow.Network, frames, *, source=(), sink=()) -> dict[str, Port]:
    """Run frames through a core; return for each FIFO what was read from it, by FIFO name.

    Parameters
    ----------
    frames : (frames, *shape) for input 0
    source, sink : gates of input 0 and of all outputs
    """
    core = Core(network)
    stream = network.inputs[0].stream
    words = dataflow.words_of(dataflow.beats_of(frames, stream), stream)
    expected = {edge.name: len(frames) * network.stream(edge).beats for edge in network.fifos}
    ports = {name: Port() for name in expected}
    state = {"sent": 0, "offering": False, "alive": 0}
    i = core.input_port(network.inputs[0].name)
    outputs = [core.output_port(terminal.name) for terminal in network.outputs]

    def step(ctx, cycle) -> bool:
        if not state["offering"] and gate_open(source, cycle) and state["sent"] < len(words):
            state["offering"] = True
        ctx.set(i.valid, state["offering"])
        if state["offering"]:
            ctx.set(Value.cast(i.payload), words[state["sent"]])
        for port in outputs:
            ctx.set(port.ready, gate_open(sink, cycle))
        if state["offering"] and ctx.get(i.ready):
            state.update(offering=False, sent=state["sent"] + 1)
        for name, fifo in core.fifos.items():
            if ctx.get(fifo.o.valid) and ctx.get(fifo.o.ready):
                ports[name].cycles.append(cycle)
                ports[name].words.append(ctx.get(Value.cast(fifo.o.payload)))
                state["alive"] = cycle
        assert cycle - state["alive"] < STALL, f"nothing moves since cycle {state['alive']}"
        return all(len(port.words) >= expected[name] for name, port in ports.items())

    run(core, step)
    return ports
