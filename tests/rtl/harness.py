"""Runs hardware in the Amaranth simulator, cycle by cycle, and checks the timing contract on the way."""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from amaranth import Value
from amaranth.hdl import Fragment
from amaranth.sim import Simulator
from hypothesis import strategies as st

import dataflow
from rtl.components import component_of
from rtl.platforms import FamilyPlatform

__all__ = ["gate_open", "lanes_and_size", "run", "run_node"]

STALL = 500  #: cycles without any beat after which a run is aborted

Gate = Sequence[bool]


@st.composite
def lanes_and_size(draw, lanes: int, beats: int) -> tuple[int, int]:
    """Draw a number of lanes, and a size in beats of these lanes; the last beat may have inert lanes."""
    chosen, count = draw(st.integers(1, lanes)), draw(st.integers(1, beats))
    inert = draw(st.integers(0, chosen - 1)) if count > 1 else 0
    return chosen, chosen * count - inert


def run(dut, step: Callable[..., bool], *, limit: int = 100_000, family: str | None = None) -> None:
    """Clock `dut`: call ``step(ctx, cycle)`` in every cycle, before the edge, until it returns True.

    With a device family, models replace its cells.
    """

    async def bench(ctx):
        for cycle in range(limit):
            if step(ctx, cycle):
                return
            await ctx.tick()
        raise AssertionError(f"no end within {limit} cycles")

    simulator = Simulator(Fragment.get(dut, None if family is None else FamilyPlatform(family, modelled=True)))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


class _Buffer:
    """The buffer of a node that is two actors, as the timing contract describes it."""

    def __init__(self, schedule: dataflow.Buffered) -> None:
        self.schedule, self.stored = schedule, 0

    @property
    def has_place(self) -> bool:
        return self.schedule.places - self.stored > 0

    def allows(self, position: int) -> bool:
        return self.stored >= self.schedule.needs[position]

    def advance(self, position: int, *, fill: bool, drain: bool) -> None:
        self.stored += fill - (int(self.schedule.frees[position]) if drain else 0)


def gate_open(gate: Gate, cycle: int) -> bool:
    """Return whether a cyclic gate is open; an empty one always is."""
    return not len(gate) or bool(gate[cycle % len(gate)])


def run_node(
    node: dataflow.Node,
    values: np.ndarray,
    *,
    arriving: Gate = (),
    free: Gate = (),
    elapsed: list[int] | None = None,
    family: str | None = None,
) -> list[np.ndarray]:
    """Run frames through the component of a node; return the frames of each output.

    In every cycle the ports are compared with the timing contract: a step is issued iff its beat is there and a place
    is free, its beat out is written exactly `latency` cycles later, and nothing else happens. Inert lanes must carry 0.
    A node with a buffer takes a beat iff one is there and the buffer has a place, and issues a step iff the beats it
    needs are stored.

    Parameters
    ----------
    values : (frames, *shape) for the node's one input
    arriving : in which cycles the FIFO in front may show a beat; it stays until it is read
    free : the cycles in which the FIFO downstream has a free place
    elapsed : gets one more entry, the cycles that the run took
    family : device family that the component is for
    """
    component = component_of(node)
    (stream,), (i,), outputs = node.input_streams, component.inputs, component.outputs
    schedule = node.schedule()
    pattern = schedule.drain if isinstance(schedule, dataflow.Buffered) else schedule
    buffer = _Buffer(schedule) if isinstance(schedule, dataflow.Buffered) else None
    words = deque(dataflow.words_of(dataflow.beats_of(values, stream), stream))
    steps = len(values) * pattern.steps
    pipeline = deque([False] * schedule.latency)
    written: list[list[int]] = [[] for _ in outputs]
    now = {"issued": 0, "shown": False, "moved": 0, "cycle": 0}

    def step(ctx, cycle: int) -> bool:
        now["shown"] = bool(words) and (now["shown"] or gate_open(arriving, cycle))
        place = gate_open(free, cycle)
        ctx.set(i.valid, now["shown"])
        ctx.set(Value.cast(i.payload), words[0] if now["shown"] else 0)
        for port in outputs:
            ctx.set(port.free, place)

        position = now["issued"] % pattern.period
        emits = bool(pattern.emits[0, position])
        if buffer is None:
            consumes = bool(pattern.consumes[0, position])
            issue = (now["shown"] or not consumes) and (place or not emits)
            takes = issue and consumes
        else:
            takes = now["shown"] and buffer.has_place
            issue = buffer.allows(position) and (place or not emits)
            buffer.advance(position, fill=takes, drain=issue)
        assert bool(ctx.get(i.ready)) == takes, f"cycle {cycle}: i.ready"
        pipeline.append(issue and emits)
        delivered = pipeline.popleft()
        for port, taken in zip(outputs, written, strict=True):
            assert bool(ctx.get(port.reserve)) == (issue and emits), f"cycle {cycle}: o.reserve"
            assert bool(ctx.get(port.valid)) == delivered, f"cycle {cycle}: o.valid"
            if delivered:
                taken.append(ctx.get(Value.cast(port.payload)))
        if issue:
            now.update(issued=now["issued"] + 1, moved=cycle)
        if takes:
            now.update(shown=False, moved=cycle)
            words.popleft()
        assert cycle - now["moved"] < STALL, f"nothing moves since cycle {now['moved']}"
        now["cycle"] = cycle
        return now["issued"] >= steps and not any(pipeline) and not words

    run(component, step, family=family)
    assert now["issued"] == steps
    if elapsed is not None:
        elapsed.append(now["cycle"])
    return [_frames_of(taken, stream) for taken, stream in zip(written, node.output_streams, strict=True)]


def _frames_of(words: list[int], stream: dataflow.Stream) -> np.ndarray:
    """Return the frames in words; inert lanes must carry 0."""
    beats = dataflow.values_of_words(words, stream)
    frames = dataflow.frames_of(beats, stream)
    np.testing.assert_array_equal(dataflow.beats_of(frames, stream), beats, "inert lanes")
    return frames
