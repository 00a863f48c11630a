"""Tracks of frames: a JSON file for ui.perfetto.dev or chrome://tracing, one microsecond per cycle.

Each node is a track with one slice per frame, from its first step to its last. Slices inside it show when the node is
starved or blocked. Each FIFO is a counter of the beats stored.
"""

import json
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np

from dataflow import Network
from hwsim import Timeline
from hwsim.timeline import BUSY, STATES, FifoTrack, NodeTrack

__all__ = ["write_perfetto"]

NODES, FIFOS = 1, 2

#: Colours of frames in chrome://tracing, which has these names for them; Perfetto colours by the slice's name.
COLORS = ("rail_response", "rail_animation", "rail_load", "rail_idle", "thread_state_runnable", "generic_work")

Event = dict[str, Any]


def write_perfetto(network: Network, timeline: Timeline, file: TextIO) -> None:
    """Write a timeline as tracks of frames."""
    about = {"network": network.name, "frames": timeline.frames, "unit": "1 us of the trace is 1 cycle"}
    file.write(f'{{"otherData": {json.dumps(about)},\n"traceEvents": [\n')
    for index, event in enumerate(_events(network, timeline)):
        file.write((",\n" if index else "") + json.dumps(event, separators=(",", ":")))
    file.write("\n]}\n")


def _events(network: Network, timeline: Timeline) -> Iterator[Event]:
    yield from _names(network, timeline)
    for number, node in enumerate(timeline.nodes):
        yield from _slices(number, node)
    for number, fifo in enumerate(timeline.fifos):
        yield from _counts(number, fifo)


def _names(network: Network, timeline: Timeline) -> Iterator[Event]:
    for order, (process, name) in enumerate(((NODES, f"nodes of {network.name}"), (FIFOS, "beats stored in FIFOs"))):
        yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": name}}
        yield {"ph": "M", "pid": process, "name": "process_sort_index", "args": {"sort_index": order}}
    for number, node in enumerate(timeline.nodes):
        track = {"ph": "M", "pid": NODES, "tid": number}
        yield {**track, "name": "thread_name", "args": {"name": node.name}}
        yield {**track, "name": "thread_sort_index", "args": {"sort_index": number}}


def _slices(number: int, node: NodeTrack) -> Iterator[Event]:
    """Yield a slice for each frame, and inside it one for each wait."""
    track = {"ph": "X", "pid": NODES, "tid": number}
    for frame, (start, stop) in enumerate(node.spans.tolist()):
        starved, blocked = node.waits(frame)
        yield {
            **track,
            "ts": start,
            "dur": stop - start,
            "name": f"frame {frame + 1}",
            "cat": "frame",
            "cname": COLORS[frame % len(COLORS)],
            "args": {"frame": frame + 1, "steps": node.steps, "starved": starved, "blocked": blocked},
        }
    spells = node.spells
    inside = np.flatnonzero((spells.states != BUSY) & (spells.starts > node.spans[spells.frames, 0]))
    for spell in inside.tolist():
        start, stop = int(spells.starts[spell]), int(spells.stops[spell])
        yield {**track, "ts": start, "dur": stop - start, "name": STATES[spells.states[spell]], "cat": "wait"}


def _counts(number: int, fifo: FifoTrack) -> Iterator[Event]:
    counter = {"ph": "C", "pid": FIFOS, "name": fifo.name, "id": number}
    cycles, stored = fifo.levels
    for cycle, count in zip(cycles.tolist(), stored.tolist(), strict=True):
        yield {**counter, "ts": cycle, "args": {"stored": count}}
