"""The memory in which a frame waits."""

import numpy as np
import pytest
from amaranth.sim import Simulator

import dataflow
from rtl.link.frame_buffer import FrameBuffer

pytestmark = pytest.mark.sim


def run(dut: FrameBuffer, *benches) -> list[list[int]]:
    """Run testbenches together with a sink; return the beats that left."""
    beats = []

    async def sink(ctx):
        rng = np.random.default_rng(0)
        while True:
            ready = int(rng.integers(0, 2))
            ctx.set(dut.o.ready, ready)
            _, _, valid, beat = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid and ready:
                beats.append(list(beat))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.add_testbench(sink, background=True)
    simulator.run()
    return beats


async def write(ctx, dut: FrameBuffer, frame: bytes) -> None:
    """Write a frame, each pixel as soon as there is a place, and commit it."""
    for index, pixel in enumerate(frame):
        ctx.set(dut.index, index)
        ctx.set(dut.pixel, pixel)
        while ctx.get(dut.full):
            await ctx.tick()
        ctx.set(dut.write, 1)
        await ctx.tick()
        ctx.set(dut.write, 0)
    ctx.set(dut.commit, 1)
    await ctx.tick()
    ctx.set(dut.commit, 0)


@pytest.mark.parametrize(("size", "lanes"), [(1, 1), (2, 1), (7, 7), (12, 1), (12, 3), (12, 4), (513, 9)])
def test_frames_leave_in_order_while_the_next_comes_in(size: int, lanes: int) -> None:
    dut = FrameBuffer(size, lanes)
    frames = np.random.default_rng(1).integers(0, 256, (4, size))

    async def source(ctx):
        for frame in frames:
            await write(ctx, dut, bytes(frame.tolist()))
        await ctx.tick().repeat(8 * size + 20)

    assert run(dut, source) == frames.reshape(-1, lanes).tolist()


def test_uncommitted_pixels_never_leave() -> None:
    dut = FrameBuffer(6, 2)

    async def source(ctx):
        for index in range(6):
            ctx.set(dut.index, index)
            ctx.set(dut.pixel, 99)
            ctx.set(dut.write, 1)
            await ctx.tick()
        ctx.set(dut.write, 0)
        await ctx.tick().repeat(40)
        await write(ctx, dut, bytes([1, 2, 3, 4, 5, 6]))
        await ctx.tick().repeat(60)

    assert run(dut, source) == [[1, 2], [3, 4], [5, 6]]


def test_a_pixel_that_has_not_left_is_kept() -> None:
    dut = FrameBuffer(4, 1)
    seen = []

    async def source(ctx):
        await write(ctx, dut, bytes([1, 2, 3, 4]))
        for _ in range(60):
            ctx.set(dut.index, 3)
            ctx.set(dut.pixel, 99)
            ctx.set(dut.write, 1)
            seen.append(ctx.get(dut.full))
            await ctx.tick()

    assert run(dut, source) == [[1], [2], [3], [4]]
    assert seen[0] == 1
    assert seen[-1] == 0


@pytest.mark.parametrize(
    ("size", "lanes", "vector"), [(7, 2, 7), (12, 5, 12), (10, 9, 10), (12, 2, 3), (20, 4, 5), (6, 2, 2), (33, 8, 11)]
)
def test_a_vector_is_filled_up_with_zeros(size: int, lanes: int, vector: int) -> None:
    dut = FrameBuffer(size, lanes, vector)
    frames = np.random.default_rng(1).integers(1, 256, (4, size))

    async def source(ctx):
        for frame in frames:
            await write(ctx, dut, bytes(frame.tolist()))
        await ctx.tick().repeat(16 * size + 20)

    expected = dataflow.beats_of(frames, dataflow.Stream(dataflow.Integer(8), (size // vector, vector), lanes))
    assert run(dut, source) == expected.tolist()


def test_lanes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^Lanes of a frame buffer must be 1 to 12, not 13$"):
        FrameBuffer(12, 13)
    with pytest.raises(ValueError, match=r"^Lanes of a frame buffer must be 1 to 4, not 0$"):
        FrameBuffer(12, 0, 4)
    with pytest.raises(ValueError, match=r"^Vector of a frame buffer must divide its 12 bytes, not 5$"):
        FrameBuffer(12, 1, 5)
