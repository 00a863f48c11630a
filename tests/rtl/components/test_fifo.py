"""Fifo: no beat is lost, repeated or out of order, and every cycle follows the contract, for both ways of storing."""

from collections import deque

import numpy as np
import pytest
from amaranth import ResetInserter, Signal, unsigned

from dataflow.storage import in_registers
from rtl.components import Fifo, fifo
from tests.rtl.harness import run

pytestmark = pytest.mark.sim

WIDTH = 8


@pytest.fixture(params=[True, False], ids=["registers", "memory"])
def storage(request, monkeypatch) -> bool:
    """Both ways of storing, regardless of the rule that chooses one."""
    monkeypatch.setattr(fifo, "in_registers", lambda depth, width: request.param)
    return request.param


def exercise(depth: int, *, latency: int, reserving: float, reading: float, seed: int, cycles: int = 100) -> int:
    """Run a FIFO together with a model that counts places and stores beats; return how many beats passed.

    Parameters
    ----------
    latency : cycles from a reservation to its write
    reserving, reading : probability that the writer, if it may, reserves, and that the reader is ready
    """
    rng = np.random.default_rng(seed)
    dut = Fifo(unsigned(WIDTH), depth)
    stored: deque[int] = deque()
    in_flight: deque[bool] = deque([False] * latency)
    passed = 0

    def step(ctx, cycle: int) -> bool:
        nonlocal passed
        free = depth - len(stored) - sum(in_flight) > 0
        assert ctx.get(dut.i.free) == free, f"cycle {cycle}"
        assert ctx.get(dut.o.valid) == bool(stored), f"cycle {cycle}"
        if stored:
            assert ctx.get(dut.o.payload) == stored[0], f"cycle {cycle}"
        reserve, ready = free and rng.random() < reserving, rng.random() < reading
        in_flight.append(bool(reserve))
        write, word = in_flight.popleft(), int(rng.integers(1 << WIDTH))
        ctx.set(dut.i.reserve, reserve)
        ctx.set(dut.i.valid, write)
        ctx.set(dut.i.payload, word)
        ctx.set(dut.o.ready, ready)
        # A read frees its place, and a written beat is visible, from the next cycle on.
        assert ctx.get(dut.i.free) == free, f"cycle {cycle}: free must not depend on ports"
        assert ctx.get(dut.o.valid) == bool(stored), f"cycle {cycle}: valid must not depend on ports"
        if stored and ready:
            stored.popleft()
            passed += 1
        if write:
            stored.append(word)
        return cycle == cycles

    run(dut, step)
    return passed


@pytest.mark.parametrize("depth", range(1, 10))
@pytest.mark.parametrize(
    ("reserving", "reading"), [(1, 1), (1, 0.3), (0.3, 1), (0.6, 0.6)], ids=["full", "slow out", "slow in", "both"]
)
def test_every_cycle_is_that_of_the_model(storage, depth, reserving, reading) -> None:
    for latency in (0, 1, 4):
        assert exercise(depth, latency=latency, reserving=reserving, reading=reading, seed=depth) > 10


@pytest.mark.parametrize(("depth", "latency"), [(2, 0), (3, 1), (9, 7)])
def test_latency_and_two_places_run_at_full_rate(storage, depth, latency) -> None:
    assert exercise(depth, latency=latency, reserving=1, reading=1, seed=0, cycles=300) == 300 - latency


@pytest.mark.parametrize("depth", [1, 5, 9])
def test_reset_empties(storage, depth) -> None:
    reset = Signal()
    dut = Fifo(unsigned(WIDTH), depth)

    def step(ctx, cycle: int) -> bool:
        filling = cycle < depth
        ctx.set(dut.i.reserve, filling)
        ctx.set(dut.i.valid, filling)
        ctx.set(reset, cycle == depth)
        if cycle == depth:
            assert not ctx.get(dut.i.free)
            assert ctx.get(dut.o.valid)
        if cycle == depth + 1:
            assert ctx.get(dut.i.free)
            assert not ctx.get(dut.o.valid)
        return cycle == depth + 1

    run(ResetInserter(reset)(dut), step)


def test_rule_of_storing() -> None:
    assert in_registers(1, 4096)
    assert in_registers(60, 1)
    assert not in_registers(31, 28)
    assert not in_registers(1000, 1)


@pytest.mark.parametrize("depth", [0, -3])
def test_depth_below_one_is_refused(depth) -> None:
    with pytest.raises(ValueError, match=rf"^Depth of a Fifo must be at least 1, not {depth}$"):
        Fifo(unsigned(WIDTH), depth)


def test_depth_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Depth of a Fifo must be an integer, not 2\.5$"):
        Fifo(unsigned(WIDTH), 2.5)
