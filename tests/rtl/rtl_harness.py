"""Runs hardware in the Amaranth simulator, cycle by cycle, and checks the timing contract on the way."""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from amaranth import Value
from amaranth.sim import Simulator

import dataflow
from rtl.components import component_of

__all__ = ["gate_open", "run", "run_node"]

STALL = 500  #: cycles without a beat anywhere after which a run is given up

Gate = Sequence[bool]


def run(dut, step: Callable[..., bool], *, limit: int = 100_000) -> None:
    """Clock `dut`: call ``step(ctx, cycle)`` in every cycle, before the edge, until it returns True."""

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


def gate_open(gate: Gate, cycle: int) -> bool:
    """Return whether a gate, repeated for ever, is open; an empty one always is."""
    return not len(gate) or bool(gate[cycle % len(gate)])


def run_node(node: dataflow.Node, values: np.ndarray, *, arriving: Gate = (), free: Gate = ()) -> list[np.ndarray]:
    """Run frames through the component of a node; return the frames of each output.

    In every cycle the ports are compared with the timing contract: a step is issued iff its beat is there and a place
    is free, its beat out is written exactly `latency` cycles later, and nothing else happens.

    Parameters
    ----------
    values : (frames, *shape) for the node's one input
    arriving : in which cycles the FIFO in front may show a beat; it stays until it is read
    free : in which cycles the FIFO behind has a free place
    """
    component = component_of(node)
    (stream,), (i,), outputs = node.input_streams, component.inputs, component.outputs
    schedule = node.schedule()
    words = deque(dataflow.words_of(dataflow.beats_of(values, stream), stream))
    steps = len(values) * schedule.steps
    pipeline = deque([False] * schedule.latency)
    written: list[list[int]] = [[] for _ in outputs]
    now = {"issued": 0, "shown": False, "moved": 0}

    def step(ctx, cycle: int) -> bool:
        now["shown"] = bool(words) and (now["shown"] or gate_open(arriving, cycle))
        place = gate_open(free, cycle)
        ctx.set(i.valid, now["shown"])
        ctx.set(Value.cast(i.payload), words[0] if now["shown"] else 0)
        for port in outputs:
            ctx.set(port.free, place)

        position = now["issued"] % schedule.period
        consumes, emits = bool(schedule.consumes[0, position]), bool(schedule.emits[0, position])
        issue = (now["shown"] or not consumes) and (place or not emits)
        assert bool(ctx.get(i.ready)) == (issue and consumes), f"cycle {cycle}: i.ready"
        pipeline.append(issue and emits)
        delivered = pipeline.popleft()
        for port, taken in zip(outputs, written, strict=True):
            assert bool(ctx.get(port.reserve)) == (issue and emits), f"cycle {cycle}: o.reserve"
            assert bool(ctx.get(port.valid)) == delivered, f"cycle {cycle}: o.valid"
            if delivered:
                taken.append(ctx.get(Value.cast(port.payload)))
        if issue:
            now.update(issued=now["issued"] + 1, moved=cycle)
            if consumes:
                words.popleft()
                now["shown"] = False
        assert cycle - now["moved"] < STALL, f"nothing moves since cycle {now['moved']}"
        return now["issued"] >= steps and not any(pipeline)

    run(component, step)
    assert not words
    pairs = zip(written, node.output_streams, strict=True)
    return [dataflow.frames_of(dataflow.values_of_words(taken, each), each) for taken, each in pairs]
