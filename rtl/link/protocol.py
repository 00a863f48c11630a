"""The serial protocol in plain Python, for both ends of the line. `docs/serial-protocol.md` defines it."""

import zlib
from binascii import crc_hqx
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from dataflow import InputError, Integer, Network

__all__ = [
    "BITS_VERSION",
    "CHECKSUM_SIZE",
    "END",
    "ESC",
    "ESC_END",
    "ESC_ESC",
    "HEADER_SIZE",
    "VERSION",
    "Damaged",
    "ErrorCode",
    "Info",
    "Kind",
    "Message",
    "Result",
    "Unpacker",
    "checksum",
    "escape",
    "info_of",
    "network_id",
    "pack",
]

#: Version of the protocol, the first byte of an INFO reply: that of boards that send a class.
VERSION = 1

#: That of boards that send bits, which a computer of version 1 would take for something else.
BITS_VERSION = 2

# RFC 1055.
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD

HEADER_SIZE = 4
CHECKSUM_SIZE = 2

#: More bytes than any message has, even if all of them are escaped.
_TOO_LONG = 2 * (HEADER_SIZE + 0xFFFF + CHECKSUM_SIZE) + 1


class Kind(IntEnum):
    """The type byte of a message; replies have the highest bit set."""

    FRAME = 0x01
    INFO = 0x02
    RESULT = 0x81
    INFO_REPLY = 0x82
    ERROR = 0x8F


class ErrorCode(IntEnum):
    """The code of an ERROR reply."""

    CHECKSUM = 1
    LENGTH = 2
    TYPE = 3
    OVERFLOW = 4


@dataclass(frozen=True)
class Message:
    """A message with a correct checksum and length.

    Parameters
    ----------
    kind : type byte; not necessarily one of `Kind`
    sequence : 0 to 255; a reply repeats that of its request
    """

    kind: int
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True)
class Damaged:
    """Bytes between two ENDs that are not a valid message."""

    body: bytes


def checksum(data: bytes) -> int:
    """Return CRC-16/IBM-3740: polynomial 0x1021, start 0xFFFF, not reflected, not inverted."""
    return crc_hqx(data, 0xFFFF)


def escape(body: bytes) -> bytes:
    """Return `body` without a literal END, by RFC 1055."""
    return body.replace(bytes([ESC]), bytes([ESC, ESC_ESC])).replace(bytes([END]), bytes([ESC, ESC_END]))


def pack(message: Message) -> bytes:
    """Return the bytes of a message on the line, with an END before and after it."""
    if len(message.payload) > 0xFFFF:
        raise InputError(f"Payload of a message must be at most 65535 bytes, not {len(message.payload)}")
    body = bytes([message.kind, message.sequence]) + len(message.payload).to_bytes(2, "little") + message.payload
    return bytes([END]) + escape(body + checksum(body).to_bytes(2, "big")) + bytes([END])


class Unpacker:
    """A receiver of messages that resynchronizes at every END."""

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Message | Damaged]:
        """Process bytes from the line; return the messages that end in them."""
        *complete, rest = (bytes(self._body) + data).split(bytes([END]))
        self._body = bytearray(rest[:_TOO_LONG])  # what is cut off could not become a message any more
        return [_message_of(body) for body in complete if body]


def _message_of(escaped: bytes) -> Message | Damaged:
    body = _unescape(escaped)
    if body is None or len(body) < HEADER_SIZE + CHECKSUM_SIZE or checksum(body):
        return Damaged(escaped)
    payload = body[HEADER_SIZE:-CHECKSUM_SIZE]
    if int.from_bytes(body[2:4], "little") != len(payload):
        return Damaged(escaped)
    return Message(body[0], body[1], payload)


def _unescape(escaped: bytes) -> bytes | None:
    head, *pieces = escaped.split(bytes([ESC]))
    plain = {ESC_END: bytes([END]), ESC_ESC: bytes([ESC])}
    body = bytearray(head)
    for piece in pieces:
        if not piece or piece[0] not in plain:
            return None
        body += plain[piece[0]] + piece[1:]
    return bytes(body)


@dataclass(frozen=True)
class Info:
    """A board's description of its network.

    Parameters
    ----------
    frame_size : bytes per frame
    classes : number of scores in a result, or of its bits
    score_size : bytes per score, 2 to 4; 0 if a result has no scores
    network_id : see `network_id`
    version : version of the protocol
    signed : whether the bytes of a frame are signed numbers, -128 to 127, instead of 0 to 255
    bits : whether a result ends in a bit for each of `classes` instead of in a class
    """

    frame_size: int
    classes: int
    score_size: int
    network_id: int
    version: int = VERSION
    signed: bool = False
    bits: bool = False

    @property
    def answer_size(self) -> int:
        """Bytes of a RESULT's answer: the class, or the bits."""
        return -(-self.classes // 8) if self.bits else 2

    @property
    def result_size(self) -> int:
        """Bytes of a RESULT's payload."""
        return self.classes * self.score_size + self.answer_size

    def pack(self) -> bytes:
        """Return the payload of an INFO reply: 11 bytes, 12 for bits."""
        sizes = self.frame_size.to_bytes(2, "little") + self.classes.to_bytes(2, "little") + bytes([self.score_size])
        start = bytes([self.version]) + sizes + self.network_id.to_bytes(4, "little") + bytes([self.signed])
        return start + bytes([1] * self.bits)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Read the payload of an INFO reply; a later version may have appended to it."""
        if len(payload) < 11:
            raise InputError(f"INFO reply of the board must have at least 11 bytes, not {len(payload)}")
        frame_size, classes = (int.from_bytes(payload[start : start + 2], "little") for start in (1, 3))
        identity = int.from_bytes(payload[6:10], "little")
        bits = payload[11:12] == bytes([1])
        return cls(frame_size, classes, payload[5], identity, payload[0], bool(payload[10]), bits)


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to a frame.

    Parameters
    ----------
    scores : (classes,) int64; none if the board sends no scores
    answer : the class with the highest score, or (classes,) int64 bits
    """

    scores: np.ndarray
    answer: int | np.ndarray

    def pack(self, info: Info) -> bytes:
        """Return the payload of a RESULT reply: all scores, then two bytes for the class, or the bits."""
        scores = (int(score).to_bytes(info.score_size, "little", signed=True) for score in self.scores)
        if isinstance(self.answer, np.ndarray):
            return b"".join(scores) + np.packbits(self.answer.astype(np.uint8), bitorder="little").tobytes()
        return b"".join(scores) + self.answer.to_bytes(2, "little")

    @classmethod
    def unpack(cls, payload: bytes, info: Info) -> Self:
        """Read the payload of a RESULT reply."""
        if len(payload) != info.result_size:
            raise InputError(f"RESULT reply of the board must have {info.result_size} bytes, not {len(payload)}")
        size = info.score_size
        cuts = range(0, info.classes * size, size) if size else ()
        scores = np.array([int.from_bytes(payload[cut : cut + size], "little", signed=True) for cut in cuts], np.int64)
        answer = payload[-info.answer_size :]
        if not info.bits:
            return cls(scores, int.from_bytes(answer, "little"))
        bits = np.unpackbits(np.frombuffer(answer, np.uint8), count=info.classes, bitorder="little")
        return cls(scores, bits.astype(np.int64))


def info_of(network: Network) -> Info:
    """Return the description that a board with this network sends.

    Raises
    ------
    InputError
        The network cannot have a serial link.
    """
    outputs = {terminal.name: terminal.stream for terminal in network.outputs}
    answer = "class" if network.bits is None else network.bits.name
    legal = set(outputs) == {answer, "scores"} or (network.bits is not None and set(outputs) == {answer})
    if not legal or len(network.inputs) != 1:
        ends = ", ".join(terminal.name for terminal in (*network.inputs, *network.outputs))
        raise InputError(
            f"Network {network.name!r} must have one input and the outputs 'scores' and 'class', or one output of bits "
            f"with or without 'scores', for a board, not {ends}"
        )
    frame, scores, said = network.inputs[0].stream, outputs.get("scores"), outputs[answer]
    if frame.element not in (Integer(8), Integer(8, signed=True)):
        raise InputError(f"Input of network {network.name!r} must be uint8 or int8 for a board, not {frame.element}")
    if scores is not None and (scores.element.width > 32 or not scores.element.signed or said.element.width > 16):
        raise InputError(
            f"Outputs of network {network.name!r} must be signed scores of at most 32 bits and a class of at most "
            f"16 bits for a board, not {scores.element} and {said.element}"
        )
    if network.bits is not None and scores is not None and scores.size != said.size:
        raise InputError(
            f"Outputs of network {network.name!r} must be as many bits as scores for a board, "
            f"not {said.size} and {scores.size}"
        )
    info = Info(
        frame.size,
        said.size if scores is None else scores.size,
        0 if scores is None else max(2, -(-scores.element.width // 8)),
        network_id(network),
        VERSION if network.bits is None else BITS_VERSION,
        frame.element.signed,
        network.bits is not None,
    )
    longest = max(info.frame_size, info.result_size)
    if longest > 0xFFFF:
        raise InputError(f"Messages of network {network.name!r} must be at most 65535 bytes, not {longest}")
    return info


def network_id(network: Network) -> int:
    """Return a CRC-32 of what the network computes: parameters and types of its nodes, but not their folding.

    Fields with their default value do not count, so a network keeps its id when a node kind gets a new field.
    """
    crc = 0
    for node in network.nodes:
        if node.array_fields:
            crc = zlib.crc32(f"{node.kind} {node.name}".encode(), crc)
            for each in fields(node):
                value = getattr(node, each.name)
                counts = each.name in node.stored_fields and each.name not in node.fold_parameters
                if counts and (each.name in node.array_fields or value != each.default):
                    crc = zlib.crc32(_bytes_of(each.name, value), crc)
    return crc


def _bytes_of(name: str, value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape}".encode() + value.astype("<i8").tobytes()
    return f"{name} {value}".encode()
