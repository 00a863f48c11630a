"""Framing: the encoder compared with the protocol in Python, and the decoder on the encoder's output."""

import pytest
from amaranth.sim import Simulator

from rtl.link.protocol import END, ESC, ESC_END, ESC_ESC, escape
from rtl.link.slip import SlipDecoder, SlipEncoder

pytestmark = pytest.mark.sim

BORDER = None


def encoded(tokens: list[int | None]) -> bytes:
    """Return the bytes that the encoder makes of data and borders, read with pauses."""
    dut, out = SlipEncoder(), bytearray()

    async def source(ctx):
        for token in tokens:
            ctx.set(dut.i.payload, {"data": token or 0, "end": token is BORDER})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(3)

    async def sink(ctx):
        while True:
            for ready in (1, 0, 0, 1, 1, 0):
                ctx.set(dut.o.ready, ready)
                _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid and ready:
                    out.append(byte)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink, background=True)
    simulator.run()
    return bytes(out)


def decoded(characters: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return (data, end, broken) of each token; each character is (byte, broken), followed by a pause."""
    dut, tokens = SlipDecoder(), []

    async def bench(ctx):
        for byte, broken in characters:
            ctx.set(dut.i.payload, {"data": byte, "broken": broken})
            ctx.set(dut.i.valid, 1)
            if ctx.get(dut.o.valid):
                o = ctx.get(dut.o.payload)
                tokens.append((o["data"], o["end"], o["broken"]))
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            assert not ctx.get(dut.o.valid)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return tokens


def test_encoder_escapes_every_byte_as_the_protocol_says() -> None:
    everything = [*range(256), ESC, END, END, ESC]
    line = encoded([BORDER, *everything, BORDER, BORDER])
    assert line == bytes([END]) + escape(bytes(everything)) + bytes([END, END])


def test_decoder_gives_back_every_byte() -> None:
    everything = bytes(range(256))
    tokens = decoded([(byte, 0) for byte in escape(everything) + bytes([END])])
    assert [data for data, end, broken in tokens if not end and not broken] == list(everything)
    assert tokens[-1] == (END, 1, 0)


def test_decoder_marks_what_is_broken() -> None:
    assert decoded([(5, 1), (6, 0)]) == [(5, 0, 1), (6, 0, 0)]
    assert decoded([(ESC, 0), (5, 0), (6, 0)]) == [(5, 0, 1), (6, 0, 0)]
    assert decoded([(ESC, 0), (ESC, 0), (6, 0)]) == [(ESC, 0, 1), (6, 0, 0)]
    assert decoded([(ESC, 0), (END, 0), (6, 0)]) == [(END, 1, 1), (6, 0, 0)]
    assert decoded([(ESC, 0), (ESC_END, 1), (ESC_ESC, 0)]) == [(ESC_END, 0, 1), (ESC_ESC, 0, 0)]
    assert decoded([(END, 1), (6, 0)]) == [(END, 0, 1), (6, 0, 0)]
