"""The complete link, with a stand-in for the network that can be paused."""

import pytest
from amaranth.sim import Simulator

from dataflow import InputError, Integer, Stream
from rtl.link.protocol import ErrorCode, Info, Kind, Message, Unpacker, pack
from rtl.link.serial import TICKETS, SerialLink, SerialNetwork
from sim_tests.cases import dense_network
from sim_tests.link.line import LineReader, wave_of

pytestmark = pytest.mark.sim

DIVISOR = 8
INFO = Info(4, 2, 2, 0x01020304)
PIXELS, SCORES = Stream(Integer(8), (4,), 2), Stream(Integer(9, signed=True), (2,))
CLASS = Stream(Integer(8), (1,))


class Bench:
    """A link whose network answers with its pixels: scores ``p0 - 128`` and ``p1 - 128``, class ``p2``."""

    def __init__(self) -> None:
        self.dut = SerialLink(INFO, DIVISOR, pixels=PIXELS, results=[SCORES, CLASS])
        self.frames: list[list[int]] = []
        self.replies: list[Message] = []
        self.held = False  # the network takes nothing
        self.silent = 0

    async def network(self, ctx) -> None:
        while True:
            frame: list[int] = []
            while len(frame) < INFO.frame_size:
                ctx.set(self.dut.o.ready, not self.held)
                ready = not self.held
                _, _, valid, beat = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
                if valid and ready:
                    frame += list(beat)
            ctx.set(self.dut.o.ready, 0)
            self.frames.append(frame)
            for port, value in (
                (self.dut.i_0, frame[0] - 128),
                (self.dut.i_0, frame[1] - 128),
                (self.dut.i_1, frame[2]),
            ):
                ctx.set(port.payload, [value])
                ctx.set(port.valid, 1)
                taken = 0
                while not taken:
                    _, _, taken = await ctx.tick().sample(port.ready)
                ctx.set(port.valid, 0)

    async def line(self, ctx) -> None:
        reader, unpacker = LineReader(DIVISOR), Unpacker()
        while True:
            level = ctx.get(self.dut.tx)
            reader.sample(level)
            self.silent = self.silent + 1 if level else 0
            self.replies += unpacker.feed(bytes(reader.received))
            reader.received.clear()
            await ctx.tick()

    async def send(self, ctx, *messages: Message) -> None:
        for level, bits in wave_of(b"".join(map(pack, messages))):
            ctx.set(self.dut.rx, level)
            for _ in range(int(bits * DIVISOR)):
                await ctx.tick()

    async def settle(self, ctx) -> None:
        self.silent = 0
        while self.silent < 40 * DIVISOR:
            await ctx.tick()

    def run(self, script) -> None:
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.add_testbench(self.network, background=True)
        simulator.add_testbench(self.line, background=True)
        simulator.run()


def frame(sequence: int) -> Message:
    return Message(Kind.FRAME, sequence, bytes([sequence, 255 - sequence, sequence + 1, 7]))


def result(sequence: int) -> Message:
    scores = (sequence - 128).to_bytes(2, "little", signed=True) + (127 - sequence).to_bytes(2, "little", signed=True)
    return Message(Kind.RESULT, sequence, scores + bytes([sequence + 1, 0]))


def error(sequence: int, code: ErrorCode) -> Message:
    return Message(Kind.ERROR, sequence, bytes([code]))


def test_frames_and_info() -> None:
    bench = Bench()

    async def script(ctx):
        await bench.send(ctx, frame(1), Message(Kind.INFO, 2), frame(3))
        await bench.settle(ctx)
        await bench.send(ctx, frame(4))
        await bench.settle(ctx)

    bench.run(script)
    info = Message(Kind.INFO_REPLY, 2, INFO.pack())
    assert bench.replies == [result(1), info, result(3), result(4)]
    assert bench.frames == [list(frame(k).payload) for k in (1, 3, 4)]


def test_a_frame_whose_place_is_taken_overflows_and_the_next_works() -> None:
    bench = Bench()

    async def script(ctx):
        bench.held = True
        await bench.send(ctx, frame(1), frame(2))
        assert bench.replies == []
        bench.held = False
        await bench.settle(ctx)
        await bench.send(ctx, frame(3))
        await bench.settle(ctx)

    bench.run(script)
    assert bench.replies == [result(1), error(2, ErrorCode.OVERFLOW), result(3)]
    assert bench.frames == [list(frame(k).payload) for k in (1, 3)]


def test_no_more_than_four_replies_are_due() -> None:
    bench = Bench()

    async def script(ctx):
        bench.held = True
        # The first is held in the buffer, so that the others overflow; of them only TICKETS - 1 are answered.
        await bench.send(ctx, frame(1), *(frame(k) for k in range(2, 9)))
        bench.held = False
        await bench.settle(ctx)
        await bench.send(ctx, frame(9))
        await bench.settle(ctx)

    bench.run(script)
    assert TICKETS == 4
    assert bench.replies == [result(1), *(error(k, ErrorCode.OVERFLOW) for k in (2, 3, 4)), result(9)]


def test_a_full_queue_refuses_frames_that_would_have_a_place() -> None:
    bench = Bench()

    async def script(ctx):
        # A reply of info is twice as long as its request, so that three are due when the frame has come.
        await bench.send(ctx, *(Message(Kind.INFO, k) for k in range(5)), frame(5))
        await bench.settle(ctx)
        await bench.send(ctx, frame(6))
        await bench.settle(ctx)

    bench.run(script)
    infos = [Message(Kind.INFO_REPLY, k, INFO.pack()) for k in range(5)]
    assert bench.replies == [*infos, error(5, ErrorCode.OVERFLOW), result(6)]
    assert bench.frames == [list(frame(6).payload)]


def test_lights() -> None:
    bench = Bench()
    seen = []

    async def script(ctx):
        for kind in (Kind.INFO, Kind.INFO, 0x55, Kind.INFO):
            await bench.send(ctx, Message(kind, 0))
            await bench.settle(ctx)
            seen.append((ctx.get(bench.dut.active), ctx.get(bench.dut.damaged)))

    bench.run(script)
    assert seen == [(1, 0), (0, 0), (0, 1), (1, 0)]


def test_network_must_take_bytes() -> None:
    with pytest.raises(
        InputError, match=r"^Input of network 'dense-12-6-4' must be uint8 or int8 for a board, not uint4$"
    ):
        SerialNetwork(dense_network((12, 6, 4), element=Integer(4)), 8)
