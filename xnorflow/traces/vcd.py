"""Waveforms: a VCD file for GTKWave or Surfer, one unit of time per cycle.

``streams.FROM_to_TO`` is the reading end of a FIFO: `valid` (a beat is stored), `ready` (the reader takes it in this
cycle; as in the RTL, a node is ready only in cycles in which it takes a beat), `write` (a beat enters at the end of
this cycle) and `occupancy` (beats stored). ``nodes.NAME`` has `busy`, `starved` and `blocked`, exactly one of which is
1 in each cycle until the node's last step, and `frame`, from 1: the frame that it works on or waits for.
"""

from collections.abc import Iterator
from typing import TextIO

import numpy as np

from dataflow import Network
from dataflow.naming import plain_names
from hwsim import Timeline
from hwsim.timeline import STATES, FifoTrack, NodeTrack

__all__ = ["write_vcd"]

#: A signal: scope, name, bits, the cycles at which it changes, and its values from then on.
Signal = tuple[tuple[str, ...], str, int, np.ndarray, np.ndarray]


def write_vcd(network: Network, timeline: Timeline, file: TextIO) -> None:
    """Write a timeline as waveforms."""
    from vcd import VCDWriter

    signals = list(_signals(timeline))
    comment = f"network {network.name}, {timeline.frames} frames; one unit of time is one cycle"
    with VCDWriter(file, timescale="1 ns", comment=comment, check_values=False) as writer:
        variables = [
            writer.register_var(("network", *scope), name, "wire", bits, init=0) for scope, name, bits, _, _ in signals
        ]
        numbers = np.repeat(np.arange(len(signals)), [len(cycles) for *_, cycles, _ in signals])
        cycles = np.concatenate([cycles for *_, cycles, _ in signals])
        values = np.concatenate([values for *_, values in signals])
        order = np.argsort(cycles, kind="stable")
        for number, cycle, value in zip(*(array[order].tolist() for array in (numbers, cycles, values)), strict=True):
            writer.change(variables[number], cycle, value)
        writer.close(timeline.cycles)


def _signals(timeline: Timeline) -> Iterator[Signal]:
    streams = plain_names(fifo.name for fifo in timeline.fifos)
    for fifo in timeline.fifos:
        yield from _stream(("streams", streams[fifo.name]), fifo)
    nodes = plain_names(node.name for node in timeline.nodes)
    for node in timeline.nodes:
        yield from _node(("nodes", nodes[node.name]), node)


def _stream(scope: tuple[str, ...], fifo: FifoTrack) -> Iterator[Signal]:
    cycles, stored = fifo.levels
    yield scope, "valid", 1, cycles, (stored > 0).astype(np.int64)
    yield scope, "ready", 1, *_pulses(fifo.reads)
    yield scope, "write", 1, *_pulses(fifo.writes)
    yield scope, "occupancy", fifo.depth.bit_length(), cycles, stored


def _node(scope: tuple[str, ...], node: NodeTrack) -> Iterator[Signal]:
    spells = node.spells
    end = spells.stops[-1:]
    for number, state in enumerate(STATES):
        values = (spells.states == number).astype(np.int64)
        yield scope, state, 1, np.append(spells.starts, end), np.append(values, 0)
    frames = spells.frames + 1
    yield scope, "frame", len(node.spans).bit_length(), spells.starts, frames


def _pulses(cycles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the changes of a signal that is 1 in the given cycles, which are in ascending order."""
    cycles = cycles.ravel()
    first = cycles[np.append(True, np.diff(cycles) > 1)]
    after = cycles[np.append(np.diff(cycles) > 1, True)] + 1
    return np.stack([first, after], axis=1).ravel(), np.tile([1, 0], len(first))
