"""Replies: tokens compared with the protocol in Python."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from dataflow import BIPOLAR, Integer, Stream, beats_of
from rtl.link.protocol import END, ErrorCode, Info, Kind, Message, Result, escape, pack
from rtl.link.receiver import Outcome
from rtl.link.sender import MessageSender

pytestmark = pytest.mark.sim

SCORE = Stream(Integer(9, signed=True), (1,))


def sent(dut: MessageSender, tickets, beats, labels, *, seed: int = 0) -> bytes:
    """Return the bytes that tickets, score beats and classes make, all offered and taken with random pauses.

    Parameters
    ----------
    beats, labels : of the first output and of the last one
    """
    line = bytearray()
    rng = np.random.default_rng(seed)

    def source(port, values):
        async def bench(ctx):
            for value in values:
                for _ in range(int(rng.integers(1, 40))):
                    await ctx.tick()
                ctx.set(port.payload, value)
                ctx.set(port.valid, 1)
                taken = 0
                while not taken:
                    _, _, taken = await ctx.tick().sample(port.ready)
                ctx.set(port.valid, 0)

        return bench

    async def sink(ctx):
        silent = 0
        while silent < 200:
            ready = int(rng.integers(0, 3) == 0)
            ctx.set(dut.o.ready, ready)
            _, _, valid, token = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            silent = 0 if valid else silent + 1
            if valid and ready:
                line.extend([END] if token["end"] else escape(bytes([token["data"]])))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source(dut.i_ticket, tickets), background=True)
    streams = [labels] if not hasattr(dut, "i_1") else [beats, labels]
    for index, values in enumerate(streams):
        simulator.add_testbench(source(getattr(dut, f"i_{index}"), values), background=True)
    simulator.add_testbench(sink)
    simulator.run()
    return bytes(line)


def ticket(sequence: int, outcome: Outcome) -> dict:
    return {"sequence": sequence, "outcome": outcome}


@pytest.mark.parametrize(
    ("classes", "lanes", "width", "size"),
    [
        (1, 1, 2, 2),
        (10, 1, 8, 2),
        (10, 5, 11, 2),
        (4, 4, 16, 2),
        (6, 2, 17, 3),
        (3, 1, 24, 3),
        (5, 1, 32, 4),
        (10, 4, 11, 2),
        (5, 3, 8, 2),
        (3, 2, 24, 3),
    ],
)
def test_results(classes: int, lanes: int, width: int, size: int) -> None:
    info = Info(1, classes, size, 0xC0DBDCDD)
    rng = np.random.default_rng(2)
    scores = rng.integers(-(2 ** (width - 1)), 2 ** (width - 1), (3, classes))
    scores[0, 0], scores[1, 0] = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    labels = rng.integers(0, classes, 3).tolist()
    label_width = max(1, (classes - 1).bit_length())
    stream = Stream(Integer(width, signed=True), (classes,), lanes)
    dut = MessageSender(info, [stream, Stream(Integer(label_width), (1,))])
    tickets = [ticket(sequence, Outcome.RESULT) for sequence in (0, END, 255)]
    line = sent(dut, tickets, beats_of(scores, stream).tolist(), [[label] for label in labels], seed=classes)
    assert line == b"".join(
        pack(Message(Kind.RESULT, sequence, Result((row, np.array([label]))).pack(info)))
        for sequence, row, label in zip((0, END, 255), scores, labels, strict=True)
    )


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (3, 2), (8, 8), (9, 4), (16, 1), (17, 17), (21, 5)])
def test_bits(count: int, lanes: int, scored: bool) -> None:
    info = Info(1, count, 2 if scored else 0, 0xC0DBDCDD, 2, bits=True)
    rng = np.random.default_rng(count)
    scores, answers = Stream(Integer(9, signed=True), (count,), lanes), Stream(BIPOLAR, (count,), lanes)
    sums, bits = rng.integers(-256, 256, (4, count)), rng.integers(0, 2, (4, count))
    bits[0] = 1
    dut = MessageSender(info, [*[scores] * scored, answers])
    tickets = [*(ticket(k, Outcome.RESULT) for k in range(3)), ticket(3, Outcome.INFO), ticket(4, Outcome.RESULT)]
    beats = beats_of(sums, scores).tolist() if scored else []
    line = sent(dut, tickets, beats, beats_of(bits, answers).tolist(), seed=count)
    results = [Result((*[row] * scored, answer)) for row, answer in zip(sums, bits, strict=True)]
    replies = [Message(Kind.RESULT, k, result.pack(info)) for k, result in zip((0, 1, 2, 4), results, strict=True)]
    replies.insert(3, Message(Kind.INFO_REPLY, 3, info.pack()))
    assert line == b"".join(map(pack, replies))


def test_replies_of_all_kinds_in_the_order_of_their_tickets() -> None:
    info = Info(784, 1, 2, 0xC0DBDCDD)
    dut = MessageSender(info, [SCORE, Stream(Integer(16), (1,))])
    tickets = [
        ticket(1, Outcome.INFO),
        ticket(2, Outcome.RESULT),
        *(ticket(3 + code, Outcome(code)) for code in ErrorCode),
        ticket(2, Outcome.RESULT),
    ]
    line = sent(dut, tickets, [[-256], [255]], [[0xC0DB], [7]])
    assert line == b"".join(
        [
            pack(Message(Kind.INFO_REPLY, 1, info.pack())),
            pack(Message(Kind.RESULT, 2, b"\x00\xff\xdb\xc0")),
            *(pack(Message(Kind.ERROR, 3 + code, bytes([code]))) for code in ErrorCode),
            pack(Message(Kind.RESULT, 2, b"\xff\x00\x07\x00")),
        ]
    )


def test_no_result_is_begun_before_its_scores_are_there() -> None:
    dut = MessageSender(Info(1, 2, 2, 0), [SCORE, Stream(Integer(1), (1,))])
    assert sent(dut, [ticket(1, Outcome.RESULT)], [], []) == b""
