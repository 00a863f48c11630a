"""Requests: the written pixels and the tickets."""

import pytest
from amaranth.sim import Simulator

from rtl.link.protocol import Kind, Message, checksum, pack
from rtl.link.receiver import MessageReceiver, Outcome

pytestmark = pytest.mark.sim

SIZE = 5
FRAME = bytes([10, 20, 30, 40, 50])


def body_of(message: Message) -> bytes:
    body = bytes([message.kind, message.sequence]) + len(message.payload).to_bytes(2, "little") + message.payload
    return body + checksum(body).to_bytes(2, "big")


def received(
    bodies: list[bytes], *, broken: int | None = None, full_at: int | None = None, busy: bool = False, size: int = SIZE
) -> tuple[list[tuple[int, Outcome]], list[tuple[int, int]]]:
    """Return the tickets and the writes that messages cause.

    Parameters
    ----------
    broken : position of a broken token in the first message
    full_at : index of a pixel that has no place in the first message
    """
    dut = MessageReceiver(size)
    tickets, writes = [], []

    async def bench(ctx):
        ctx.set(dut.busy, busy)
        for number, body in enumerate(bodies):
            for position, byte in enumerate([*body, None]):
                first = number == 0
                ctx.set(
                    dut.i.payload,
                    {"data": byte or 0, "end": byte is None, "broken": first and position == broken},
                )
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.full, first and full_at is not None and ctx.get(dut.index) == full_at)
                if ctx.get(dut.write) and not ctx.get(dut.full):
                    writes.append((ctx.get(dut.index), ctx.get(dut.pixel)))
                if ctx.get(dut.o.valid):
                    ticket = ctx.get(dut.o.payload)
                    tickets.append((ticket["sequence"], ticket["outcome"]))
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                assert not ctx.get(dut.write)
                assert not ctx.get(dut.o.valid)
                await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return tickets, writes


def outcomes(bodies: list[bytes], **options) -> list[Outcome]:
    return [outcome for _, outcome in received(bodies, **options)[0]]


GOOD = body_of(Message(Kind.FRAME, 9, FRAME))


def test_good_frame() -> None:
    tickets, writes = received([GOOD])
    assert tickets == [(9, Outcome.RESULT)]
    assert writes == list(enumerate(FRAME))


def test_frame_of_one_byte_and_of_more_than_256() -> None:
    for size in (1, 300):
        frame = bytes(k & 0xFF for k in range(size))
        tickets, writes = received([body_of(Message(Kind.FRAME, 1, frame))] * 2, size=size)
        assert tickets == [(1, Outcome.RESULT)] * 2
        assert writes == list(enumerate(frame)) * 2


def test_info() -> None:
    assert received([body_of(Message(Kind.INFO, 200))]) == ([(200, Outcome.INFO)], [])


def test_every_flipped_bit_is_a_wrong_checksum() -> None:
    flips = [(position, bit) for position in range(len(GOOD)) for bit in range(8)]
    damaged = [GOOD[:p] + bytes([GOOD[p] ^ 1 << bit]) + GOOD[p + 1 :] for p, bit in flips]
    assert outcomes([*damaged, GOOD]) == [Outcome.CHECKSUM] * len(damaged) + [Outcome.RESULT]


def test_every_cut() -> None:
    cuts = [GOOD[:length] for length in range(len(GOOD))]
    assert outcomes([*cuts, GOOD]) == [Outcome.CHECKSUM] * (len(GOOD) - 4) + [Outcome.RESULT]


def test_a_broken_token_anywhere_is_a_wrong_checksum() -> None:
    for position in range(len(GOOD) + 1):
        assert outcomes([GOOD, GOOD], broken=position) == [Outcome.CHECKSUM, Outcome.RESULT]


def test_broken_noise_does_not_outlive_its_end() -> None:
    assert outcomes([b"\x00", GOOD], broken=0) == [Outcome.RESULT]


def test_wrong_lengths() -> None:
    def with_length(length: int, payload: bytes, kind: int = Kind.FRAME) -> bytes:
        body = bytes([kind, 9]) + length.to_bytes(2, "little") + payload
        return body + checksum(body).to_bytes(2, "big")

    bodies = [with_length(length, FRAME) for length in (0, 4, 6, 5 + 256, 0xFFFF)]
    bodies += [with_length(5, payload) for payload in (b"", FRAME[:4], FRAME + b"1", FRAME * 60)]
    bodies += [with_length(0, b"1", Kind.INFO), with_length(1, b"1", Kind.INFO), with_length(1, b"", Kind.INFO)]
    header = bytes([Kind.INFO, 9])  # the checksum is where the length should be
    bodies += [header + checksum(header).to_bytes(2, "big")]
    assert outcomes([*bodies, GOOD]) == [Outcome.LENGTH] * len(bodies) + [Outcome.RESULT]


def test_unknown_types() -> None:
    bodies = [body_of(Message(kind, 9, FRAME)) for kind in range(256) if kind not in (Kind.FRAME, Kind.INFO)]
    assert outcomes([*bodies, GOOD]) == [Outcome.TYPE] * 254 + [Outcome.RESULT]


def test_overflow() -> None:
    for index in range(SIZE):
        tickets, writes = received([GOOD, GOOD], full_at=index)
        assert tickets == [(9, Outcome.OVERFLOW), (9, Outcome.RESULT)]
        assert len(writes) == 2 * SIZE - 1
    assert outcomes([GOOD, body_of(Message(Kind.INFO, 1))], busy=True) == [Outcome.OVERFLOW, Outcome.INFO]


def test_overflow_comes_after_all_other_errors() -> None:
    wrong = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
    assert outcomes([wrong], full_at=1) == [Outcome.CHECKSUM]
    assert outcomes([body_of(Message(Kind.FRAME, 9, FRAME + b"1"))], full_at=1) == [Outcome.LENGTH]


def test_bodies_are_those_of_the_protocol() -> None:
    assert bytes([0xC0]) + GOOD + bytes([0xC0]) == pack(Message(Kind.FRAME, 9, FRAME))
