"""The table of scenarios on a serial line: valid messages, damaged ones, noise.

Every scenario ends with a valid frame.
"""

from dataclasses import dataclass

import numpy as np

from rtl.link.protocol import END, ESC, ErrorCode, Kind, Message, checksum, escape, pack
from sim_tests.link.line import Wave, broken_byte, high, low, wave_of
from sim_tests.link.model import Oracle

__all__ = ["Scenario", "scenarios"]


@dataclass(frozen=True)
class Scenario:
    """A signal on the line, and the complete replies to it.

    Parameters
    ----------
    name : short description
    wave : the signal on the line to the board
    replies : the replies, in order
    """

    name: str
    wave: Wave
    replies: tuple[Message, ...]


class _Table:
    """Collects scenarios, each with a valid frame at its end."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._rng = np.random.default_rng(1)
        self.scenarios: list[Scenario] = []

    def frame(self) -> bytes:
        return self._rng.integers(0, 256, self._oracle.info.frame_size, np.uint8).tobytes()

    def request(self, sequence: int = 7, frame: bytes | None = None) -> Message:
        return Message(Kind.FRAME, sequence, self.frame() if frame is None else frame)

    def result(self, request: Message) -> Message:
        reply = self._oracle.result(request.payload).pack(self._oracle.info)
        return Message(Kind.RESULT, request.sequence, reply)

    def info(self, sequence: int) -> Message:
        return Message(Kind.INFO_REPLY, sequence, self._oracle.info.pack())

    def add(self, name: str, wave: Wave, *replies: Message) -> None:
        good = self.request(len(self.scenarios) & 0xFF)
        self.scenarios.append(Scenario(name, (*wave, *wave_of(pack(good))), (*replies, self.result(good))))


def error(code: ErrorCode, sequence: int = 7) -> Message:
    """Return an ERROR reply."""
    return Message(Kind.ERROR, sequence, bytes([code]))


def with_checksum(body: bytes) -> bytes:
    """Return a message on the line with a correct checksum, even if its header is wrong."""
    return bytes([END]) + escape(body + checksum(body).to_bytes(2, "big")) + bytes([END])


def scenarios(oracle: Oracle) -> list[Scenario]:
    """Return all scenarios for a network."""
    table = _Table(oracle)
    _good(table)
    _damaged(table)
    _refused(table)
    _noise(table)
    return table.scenarios


def _good(table: _Table) -> None:
    size = len(table.frame())
    requests = [table.request(sequence) for sequence in (0, 255, 3, 3)]
    wave = wave_of(b"".join(map(pack, requests)))
    table.add("frames back to back", wave, *map(table.result, requests))
    wave = wave_of(pack(Message(Kind.INFO, 17)) + pack(requests[0]) + pack(Message(Kind.INFO, 18)))
    table.add("info around a frame", wave, table.info(17), table.result(requests[0]), table.info(18))
    for byte in (END, ESC):
        request = table.request(byte, bytes([byte]) * size)
        table.add(f"frame and sequence of {byte:02X}", wave_of(pack(request)), table.result(request))
    for bit in (0.98, 1.02):
        request = table.request()
        table.add(f"bits of {bit} of their time", wave_of(pack(request), bit), table.result(request))
    request = table.request()
    slow = tuple(piece for byte in pack(request) for piece in (*wave_of([byte]), *high(2.7)))
    table.add("pauses between bytes", slow, table.result(request))
    request = table.request()
    bare = pack(request)[1:]
    table.add("no END before a frame", wave_of(bare), table.result(request))


def _damaged(table: _Table) -> None:
    request = table.request(7, bytes(range(1, 1 + len(table.frame()))))
    good = pack(request)
    for name, position in (("type", 1), ("length", 3), ("pixel", 6), ("last pixel", -4), ("checksum", -2)):
        flipped = bytearray(good)
        flipped[position] ^= 0x10
        table.add(f"flipped bit in the {name}", wave_of(flipped), error(ErrorCode.CHECKSUM))
    flipped = bytearray(good)
    flipped[2] ^= 0x10
    table.add("flipped bit in the sequence", wave_of(flipped), error(ErrorCode.CHECKSUM, 7 ^ 0x10))
    for length in (1, 2, 3):
        table.add(f"cut after {length} bytes", wave_of(good[: 1 + length] + bytes([END])))
    for length in (4, 5, 6, 9, len(good) - 3):
        table.add(f"cut after {length} bytes", wave_of(good[: 1 + length] + bytes([END])), error(ErrorCode.CHECKSUM))
    table.add("cut with no END", wave_of(good[:9]), error(ErrorCode.CHECKSUM))
    longer = good[:9] + b"\x55" + good[9:]
    table.add("one byte more", wave_of(longer), error(ErrorCode.CHECKSUM))
    table.add("300 bytes more", wave_of(good[:9] + bytes(300) + good[9:]), error(ErrorCode.CHECKSUM))
    table.add("one byte less", wave_of(good[:9] + good[10:]), error(ErrorCode.CHECKSUM))
    table.add("two messages in one", wave_of(good[:-1] + good[1:]), error(ErrorCode.CHECKSUM))
    wave = (*wave_of(good[:9]), *broken_byte(good[9]), *wave_of(good[10:]))
    table.add("low stop bit", wave, error(ErrorCode.CHECKSUM))
    wave = (*wave_of(good[:-1]), *broken_byte(END))
    table.add("low stop bit of END", wave, error(ErrorCode.CHECKSUM))
    wave = (*wave_of(good[:9]), *low(30), *wave_of(good[9:]))
    table.add("break inside a frame", wave, error(ErrorCode.CHECKSUM))
    wrong = good[:9] + bytes([ESC]) + good[9:]
    table.add("ESC before another byte", wave_of(wrong), error(ErrorCode.CHECKSUM))
    table.add("ESC before END", wave_of(good[:-1] + bytes([ESC, END])), error(ErrorCode.CHECKSUM))


def _refused(table: _Table) -> None:
    frame = table.frame()
    for name, payload in (
        ("short", frame[:-1]),
        ("long", frame + b"\x00"),
        ("empty", b""),
        ("much too long", frame * 20),
    ):
        wave = wave_of(pack(Message(Kind.FRAME, 7, payload)))
        table.add(f"{name} frame", wave, error(ErrorCode.LENGTH))
    header = bytes([Kind.FRAME, 7])
    for name, length in (("lower", len(frame) - 1), ("higher", len(frame) + 1), ("256 higher", len(frame) + 256)):
        wave = wave_of(with_checksum(header + length.to_bytes(2, "little") + frame))
        table.add(f"length that is {name} than the frame's", wave, error(ErrorCode.LENGTH))
    wave = wave_of(pack(Message(Kind.INFO, 7, b"\x00")))
    table.add("info with a payload", wave, error(ErrorCode.LENGTH))
    for kind in (0x00, 0x03, Kind.RESULT, 0xFF):
        wave = wave_of(pack(Message(kind, 7, frame)))
        table.add(f"type {kind:02X}", wave, error(ErrorCode.TYPE))


def _noise(table: _Table) -> None:
    table.add("END storm", wave_of([END] * 60))
    table.add("glitches", (*low(0.3), *high(3), *low(0.2), *high(0.5)) * 5)
    table.add("break", (*low(40), *wave_of([END])))
    request = table.request()
    good = pack(request)
    wave = (*wave_of(good[:9]), *low(0.3), *high(2), *wave_of(good[9:]))
    table.add("glitch inside a frame", wave, table.result(request))
    noise = bytes(byte for byte in table.frame() * 3 if byte not in (END, ESC)) + bytes(4)
    table.add("noise", wave_of(noise), error(ErrorCode.CHECKSUM, noise[1]))
    wave = wave_of(good + noise + good)
    table.add("noise between", wave, table.result(request), error(ErrorCode.CHECKSUM, noise[1]), table.result(request))
    pieces = bytes([END, 1, END, ESC, END, 1, 2, END, ESC, ESC, END, 1, 2, 3, END])
    table.add("pieces of messages", wave_of(pieces))
