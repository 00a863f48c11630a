"""Networks of nodes that consist only of a token schedule, in any shape and with any pattern."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from dataflow import BIPOLAR, Fifo, Network, Node, Schedule, Stream, Terminal, verify
from dataflow.parts import Structure

__all__ = ["Pattern", "branching_networks", "network_of", "pattern_networks"]


@dataclass(frozen=True, eq=False)
class Pattern(Node):
    """A node with a given schedule, one text per port: a mark for each step in which a beat moves, else a dot."""

    consumes: tuple[str, ...]
    emits: tuple[str, ...]
    latency: int = 1
    repeats: int = 1

    def _streams(self, ports: tuple[str, ...]) -> tuple[Stream, ...]:
        return tuple(Stream(BIPOLAR, ((len(port) - port.count(".")) * self.repeats,)) for port in ports)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return self._streams(self.consumes)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return self._streams(self.emits)

    def schedule(self) -> Schedule:
        consumes, emits = (
            np.array([[mark != "." for mark in port] for port in ports]) for ports in (self.consumes, self.emits)
        )
        return Schedule(consumes, emits, self.latency, self.repeats)

    def structure(self) -> Structure:
        return Structure(self.kind, {}, registers=0)


def network_of(nodes: list[Pattern], fifos: list[Fifo], *, name: str = "net") -> Network:
    """Return the network of nodes and FIFOs; names that are no node's are the ends."""
    names = {node.name: node for node in nodes}
    inputs = [f for f in fifos if f.source not in names]
    outputs = [f for f in fifos if f.target not in names]
    return verify(
        Network(
            name,
            tuple(nodes),
            tuple(fifos),
            tuple(Terminal(f.source, names[f.target].input_streams[f.target_port]) for f in inputs),
            tuple(Terminal(f.target, names[f.source].output_streams[f.source_port]) for f in outputs),
        )
    )


@st.composite
def _ports(draw: st.DrawFn, count: int, beats: int, period: int) -> tuple[str, ...]:
    return tuple(
        "".join("x" if step in places else "." for step in range(period))
        for places in (draw(st.sets(st.integers(0, period - 1), min_size=beats, max_size=beats)) for _ in range(count))
    )


@st.composite
def pattern_networks(draw: st.DrawFn) -> Network:
    """Draw a directed acyclic network with any patterns. Some of these networks deadlock."""
    beats = draw(st.integers(1, 6), label="beats in a frame")
    open_ends: list[tuple[str, int]] = []
    nodes: list[Pattern] = []
    fifos: list[Fifo] = []
    for index in range(draw(st.integers(1, 5), label="nodes")):
        repeats = draw(st.sampled_from([n for n in range(1, beats + 1) if beats % n == 0]))
        period = draw(st.integers(beats // repeats, 12))
        into, outgoing = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        node = Pattern(
            f"n{index}",
            draw(_ports(into, beats // repeats, period)),
            draw(_ports(outgoing, beats // repeats, period)),
            draw(st.integers(1, 5)),
            repeats,
        )
        for port in range(into):
            if open_ends and draw(st.booleans()):
                source, source_port = open_ends.pop(draw(st.integers(0, len(open_ends) - 1)))
            else:
                source, source_port = f"in{index}{port}", 0
            fifos.append(Fifo(source, node.name, source_port, port, draw(st.integers(1, 8))))
        open_ends += [(node.name, port) for port in range(outgoing)]
        nodes.append(node)
    fifos += [Fifo(name, f"out{i}", port, 0, draw(st.integers(1, 4))) for i, (name, port) in enumerate(open_ends)]
    return network_of(nodes, fifos)


@st.composite
def branching_networks(draw: st.DrawFn) -> Network:
    """Draw a network whose branches part and meet again, with few places. Many of these networks deadlock."""
    beats, branches = draw(st.integers(1, 4), label="beats in a frame"), draw(st.integers(2, 3), label="branches")
    period = beats * branches
    split = Pattern("split", ("x" * beats,), ("x" * beats,) * branches)
    nodes, fifos = [split], [Fifo("in", "split")]
    for port in range(branches):
        depth = draw(st.integers(1, 2))
        if draw(st.booleans()):
            nodes.append(Pattern(f"n{port}", draw(_ports(1, beats, period)), draw(_ports(1, beats, period))))
            fifos += [Fifo("split", f"n{port}", port, 0, depth), Fifo(f"n{port}", "join", 0, port, 1)]
        else:
            fifos.append(Fifo("split", "join", port, port, depth))
    join = Pattern("join", draw(_ports(branches, beats, period)), ("." * (period - 1) + "x",))
    return network_of([*nodes, join], [*fifos, Fifo("join", "out")])
