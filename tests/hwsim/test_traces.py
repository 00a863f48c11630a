"""Short traces, derived by hand from the timing contract.

One line per FIFO, one column per cycle: ``w`` a beat is written, ``r`` one is read, ``x`` both, ``.`` neither.
"""

import numpy as np
import pytest

from dataflow import Fifo, Network
from hwsim import Stalls, simulate
from hwsim.cycle import step_slowly
from sim_tests.cases import dense_network
from tests.hwsim.pattern_networks import Pattern, network_of


def trace(network: Network, frames: int, stalls: Stalls) -> list[str]:
    """Return the trace, the same by both simulators."""
    run = simulate(network, frames, stalls=stalls, record=True)
    slow = step_slowly(network, frames, stalls=stalls)
    fast_lines, slow_lines = (
        [line(each.writes[fifo.name], each.reads[fifo.name], each.cycles) for fifo in network.fifos]
        for each in (run, slow)
    )
    assert fast_lines == slow_lines
    return fast_lines


def line(writes: np.ndarray, reads: np.ndarray, cycles: int) -> str:
    marks = np.zeros(cycles, int)
    marks[writes] += 1
    marks[reads] += 2
    return "".join(".wrx"[mark] for mark in marks)


def gate(text: str) -> np.ndarray:
    """Return a gate, open where the text has an ``o``."""
    return np.array([mark == "o" for mark in text])


def wire(*, depth: int, depth_behind: int) -> Network:
    """Return one node that forwards beats with a latency of one cycle, one per frame."""
    node = Pattern("n", ("x",), ("x",))
    return network_of([node], [Fifo("in", "n", depth=depth), Fifo("n", "out", depth=depth_behind)])


OPEN = Stalls.none()


def test_two_pixels_one_neuron_one_class() -> None:
    # Threshold: 2 cycles. Matrix: 2 steps, 4 cycles. Class: 2 cycles. A write is read one cycle later at the earliest.
    network = dense_network((2, 1))
    assert [node.schedule().latency for node in network.nodes] == [2, 4, 2]
    assert trace(network, 1, OPEN) == [
        "wxr...........",
        "...wxr........",
        ".........wr...",
        "............wr",
    ]


@pytest.mark.parametrize(
    ("depth_behind", "lines"),
    [
        # Issued in 1, written in 2, read in 3; its place is free from 4 on, when the fourth beat needs one.
        (3, ["wxxxxr..", "..wxxxxr"]),
        # One place fewer, and every third cycle goes by without one.
        (2, ["wxxwrx.r..", "..wxrwxrwr"]),
        # A single place: issue, write, read, one after the other.
        (1, ["wxw.rw.rw.r..r..", "..wr.wr.wr.wr.wr"]),
    ],
)
def test_full_rate_takes_latency_and_two_places(depth_behind: int, lines: list[str]) -> None:
    assert trace(wire(depth=2, depth_behind=depth_behind), 5, OPEN) == lines


def test_a_beat_offered_is_held_until_there_is_a_place() -> None:
    # The fifth beat is offered in 12, where the gate is open, and taken in 13, where it is closed.
    stalls = Stalls({"in": gate("o..")}, {"out": gate("...o")})
    assert trace(wire(depth=1, depth_behind=1), 5, stalls) == [
        "wr.wr.w.rw..rw..r...",
        "..wr.w.r.w.r.w.r.w.r",
    ]


def test_quiet_steps_run_on_while_a_place_is_missing_only_where_a_beat_is_emitted() -> None:
    # Two neurons on two synapses. Step 1 of the second frame waits for the first beat's place, free from 8 on.
    node = Pattern("n", ("xx..",), (".x.x",), 4)
    network = network_of([node], [Fifo("in", "n", depth=2), Fifo("n", "out", depth=2)])
    assert trace(network, 2, OPEN) == [
        "wxxw.r..r.......",
        "......wrwr..wrwr",
    ]


def test_two_branches_of_which_one_is_read_first() -> None:
    split = Pattern("split", ("xxxx",), ("xxxx", "xxxx"))
    join = Pattern("join", ("xxxx....", "....xxxx"), (".......x",))
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join"),
        Fifo("split", "join", 1, 1, depth=4),
        Fifo("join", "out"),
    ]
    assert trace(network_of([split, join], fifos), 1, OPEN) == [
        "wxxwrr........",
        "..wxrwxr......",
        "..ww.ww.rrrr..",
        "............wr",
    ]
