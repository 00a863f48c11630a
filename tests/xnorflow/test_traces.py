"""Traces, compared with the recorded cycles of the simulator and with the waveform of the RTL."""

import json
from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator
from vcd.reader import TokenKind, tokenize

from dataflow import InputError, Network, SlidingWindow
from dataflow.naming import plain_names
from hwsim import random_stalls, simulate, unroll
from rtl.core import Core
from sim_tests.cases import CASES, dense_network
from sim_tests.conv_cases import conv_network
from xnorflow.traces import diagram, write_trace

FRAMES = 3


def conv() -> Network:
    return conv_network((5, 4, 2), (3,), pool=(2, 2), seed=1)


NETWORKS = [*(case.network() for case in CASES), conv()]

Wave = dict[tuple[str, ...], np.ndarray]


def read_vcd(path: Path) -> Wave:
    """Return each signal's value in each cycle, by scope and name."""
    scope: list[str] = []
    names: dict[str, list[tuple[str, ...]]] = {}
    changes: dict[str, list[tuple[int, int]]] = {}
    time = 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                names.setdefault(token.var.id_code, []).append((*scope, token.var.reference))
            elif token.kind is TokenKind.CHANGE_TIME:
                time = token.time_change
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                changes.setdefault(change.id_code, []).append((time, int(change.value)))
    cycles = np.arange(time)
    waves = {}
    for code, paths in names.items():
        times, values = np.array(changes[code]).T
        assert times[0] == 0
        waves.update(dict.fromkeys(paths, values[np.searchsorted(times, cycles, side="right") - 1]))
    return waves


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
@pytest.mark.parametrize("seed", [None, 5])
def test_waveforms_have_every_beat(network: Network, seed: int | None, tmp_path: Path) -> None:
    stalls = None if seed is None else random_stalls(network, seed)
    write_trace(network, unroll(network, FRAMES, stalls=stalls), tmp_path / "run.vcd")
    waves = read_vcd(tmp_path / "run.vcd")
    run = simulate(network, FRAMES, stalls=stalls, record=True)
    streams, nodes = (plain_names(each.name for each in group) for group in (network.fifos, network.nodes))
    for fifo in network.fifos:
        valid, ready, write, occupancy = (
            waves["network", "streams", streams[fifo.name], name] for name in ("valid", "ready", "write", "occupancy")
        )
        assert len(valid) == run.cycles
        assert np.flatnonzero(valid & ready).tolist() == np.flatnonzero(ready).tolist() == run.reads[fifo.name].tolist()
        assert np.flatnonzero(write).tolist() == run.writes[fifo.name].tolist()
        assert occupancy.tolist() == (np.cumsum(write) - write - np.cumsum(ready) + ready).tolist()
        assert valid.tolist() == (occupancy > 0).tolist()
        assert occupancy.max() <= fifo.depth
    for node, activity in zip(network.nodes, run.nodes, strict=True):
        busy, starved, blocked, frame = (
            waves["network", "nodes", nodes[node.name], name] for name in ("busy", "starved", "blocked", "frame")
        )
        assert (busy.sum(), blocked.sum()) == (activity.busy, activity.blocked)
        assert (busy + starved + blocked).max() == 1
        assert (np.diff(frame) >= 0).all()
        counts = np.bincount(frame, weights=busy)[1:]
        assert counts.tolist() == [activity.busy / FRAMES] * FRAMES


@pytest.mark.sim
@pytest.mark.parametrize("network", [CASES[3].network(), conv()], ids=["dense", "conv"])
def test_waveforms_equal_those_of_the_rtl(network: Network, tmp_path: Path) -> None:
    timeline = unroll(network, FRAMES)
    write_trace(network, timeline, tmp_path / "run.vcd")
    trace = read_vcd(tmp_path / "run.vcd")
    core = Core(network)
    beats = FRAMES * network.inputs[0].stream.beats
    ends = [[fifo.o.valid, fifo.o.ready, fifo.i.valid] for fifo in core.fifos.values()]
    seen: list[list[list[int]]] = []

    async def drive(ctx) -> None:
        source = core.input_port(network.inputs[0].name)
        for terminal in network.outputs:
            ctx.set(core.output_port(terminal.name).ready, 1)
        accepted = 0
        for _ in range(timeline.cycles):
            ctx.set(source.valid, accepted < beats)
            accepted += ctx.get(source.ready & source.valid)
            seen.append([[ctx.get(signal) for signal in signals] for signals in ends])
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    outputs = {terminal.name for terminal in network.outputs}
    streams = plain_names(fifo.name for fifo in network.fifos)
    for fifo, rtl in zip(network.fifos, np.array(seen).transpose(1, 2, 0), strict=True):
        valid, ready, write = (trace["network", "streams", streams[fifo.name], n] for n in ("valid", "ready", "write"))
        assert rtl[0].tolist() == valid.tolist()
        assert (rtl[1] & (rtl[0] if fifo.target in outputs else 1)).tolist() == ready.tolist()
        assert rtl[2].tolist() == write.tolist()


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_tracks_have_every_frame_and_every_level(network: Network, tmp_path: Path) -> None:
    stalls = random_stalls(network, 2)
    write_trace(network, unroll(network, FRAMES, stalls=stalls), tmp_path / "run.json")
    trace = json.loads((tmp_path / "run.json").read_text())
    run = simulate(network, FRAMES, stalls=stalls, record=True)
    assert trace["otherData"] == {"network": network.name, "frames": FRAMES, "unit": "1 us of the trace is 1 cycle"}
    events = trace["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert list(names.values()) == [node.name for node in network.nodes]
    for track, node in enumerate(network.nodes):
        slices = [event for event in events if event["ph"] == "X" and event["tid"] == track]
        frames = [event for event in slices if event["cat"] == "frame"]
        waits = [event for event in slices if event["cat"] == "wait"]
        assert [event["name"] for event in frames] == ["frame 1", "frame 2", "frame 3"]
        writes = run.writes[network.fifos_out_of(node.name)[0].name].reshape(FRAMES, -1)
        for event, written in zip(frames, writes, strict=True):
            inside = [w for w in waits if event["ts"] <= w["ts"] and w["ts"] + w["dur"] <= event["ts"] + event["dur"]]
            steps = event["args"]["steps"]
            assert event["dur"] == steps + sum(w["dur"] for w in inside)
            for cause in ("starved", "blocked"):
                assert event["args"][cause] == sum(w["dur"] for w in inside if w["name"] == cause)
            if not isinstance(node, SlidingWindow):
                assert written[-1] <= event["ts"] + event["dur"] - 1 + node.schedule().latency
            waits = [w for w in waits if w not in inside]
        assert not waits
    for fifo in network.fifos:
        counts = [(e["ts"], e["args"]["stored"]) for e in events if e["ph"] == "C" and e["name"] == fifo.name]
        cycles, stored = np.array(counts).T
        level = stored[np.searchsorted(cycles, np.arange(run.cycles), side="right") - 1]
        before = [np.searchsorted(times[fifo.name], np.arange(run.cycles)) for times in (run.writes, run.reads)]
        assert level.tolist() == (before[0] - before[1]).tolist()


def test_a_diagram_by_hand() -> None:
    network = dense_network((2, 1))
    text = diagram(unroll(network, 2), width=40)
    # The first pixel is there in cycle 1. Two beats after `binarize` have places, and the third one when `fc0` has
    # taken the first, which it does as soon as the beat is there, three cycles after its step.
    assert text.plain.split("\n") == [
        "          0         10",
        "binarize   11  22           ",
        "fc0           11  22        ",
        "arg_max             1   2   ",
        "2 frames, 18 cycles, 1 in each column;",
        "a digit: steps of this frame, a dot: waits within it.",
    ]


def test_a_diagram_of_many_cycles() -> None:
    (network,) = (case.network() for case in CASES if case.name == "shallow")
    text = diagram(unroll(network, 12, stalls=random_stalls(network, 1)), width=60)
    lines = text.plain.split("\n")
    rows = {line[:15].rstrip(): line[15:] for line in lines[1:-2]}
    assert list(rows) == [node.name for node in network.nodes]
    assert {len(row) for row in rows.values()} == {46}  # 183 cycles, 4 per column
    assert rows["fc2"] == "        11 22 33 44···556677 88 99 00 11 22   "
    styles = {str(span.style) for span in text.spans}
    assert {"blue", "blue dim", "dark_orange"} <= styles


@pytest.mark.parametrize("name", ["run.txt", "run", "run.vcd.gz"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    network = dense_network((2, 1))
    with pytest.raises(InputError, match=rf"^Trace file must end in \.vcd or \.json, not '{tmp_path / name}'$"):
        write_trace(network, unroll(network, 1), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_trace_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    network = dense_network((2, 1))
    (tmp_path / "run.vcd").mkdir()
    with pytest.raises(InputError, match=r"^Trace file '.*/run\.vcd' must be writable, not: Is a directory$"):
        write_trace(network, unroll(network, 1), tmp_path / "run.vcd")
    assert [path.name for path in tmp_path.iterdir()] == ["run.vcd"]
