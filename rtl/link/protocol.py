"""The serial protocol in plain Python, for both ends of the line. `docs/serial-protocol.md` defines it."""

import zlib
from binascii import crc_hqx
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from dataflow import InputError, Integer, Network

__all__ = [
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

#: Version of the protocol, the first byte of an INFO reply.
VERSION = 1

# RFC 1055.
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD

HEADER_SIZE = 4
CHECKSUM_SIZE = 2


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
        self._body = bytearray(rest)
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
    classes : number of scores in a result
    score_size : bytes per score, 2 to 4
    network_id : see `network_id`
    version : version of the protocol
    signed : whether the bytes of a frame are signed numbers, -128 to 127, instead of 0 to 255
    """

    frame_size: int
    classes: int
    score_size: int
    network_id: int
    version: int = VERSION
    signed: bool = False

    @property
    def result_size(self) -> int:
        """Bytes of a RESULT's payload."""
        return self.classes * self.score_size + 2

    def pack(self) -> bytes:
        """Return the payload of an INFO reply, 11 bytes."""
        sizes = self.frame_size.to_bytes(2, "little") + self.classes.to_bytes(2, "little") + bytes([self.score_size])
        return bytes([self.version]) + sizes + self.network_id.to_bytes(4, "little") + bytes([self.signed])

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Read the payload of an INFO reply; a later version may have appended to it."""
        if len(payload) < 11:
            raise InputError(f"INFO reply of the board must have at least 11 bytes, not {len(payload)}")
        frame_size, classes = (int.from_bytes(payload[start : start + 2], "little") for start in (1, 3))
        identity = int.from_bytes(payload[6:10], "little")
        return cls(frame_size, classes, payload[5], identity, payload[0], bool(payload[10]))


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to a frame.

    Parameters
    ----------
    scores : (classes,) int64
    label : the class with the highest score
    """

    scores: np.ndarray
    label: int

    def pack(self, info: Info) -> bytes:
        """Return the payload of a RESULT reply: all scores, then two bytes for the class."""
        scores = (int(score).to_bytes(info.score_size, "little", signed=True) for score in self.scores)
        return b"".join(scores) + self.label.to_bytes(2, "little")

    @classmethod
    def unpack(cls, payload: bytes, info: Info) -> Self:
        """Read the payload of a RESULT reply."""
        if len(payload) != info.result_size:
            raise InputError(f"RESULT reply of the board must have {info.result_size} bytes, not {len(payload)}")
        cuts = range(0, info.result_size - 2, info.score_size)
        scores = [int.from_bytes(payload[cut : cut + info.score_size], "little", signed=True) for cut in cuts]
        return cls(np.array(scores, np.int64), int.from_bytes(payload[-2:], "little"))


def info_of(network: Network) -> Info:
    """Return the description that a board with this network sends.

    Raises
    ------
    InputError
        The network cannot have a serial link.
    """
    outputs = {terminal.name: terminal.stream for terminal in network.outputs}
    if set(outputs) != {"scores", "class"} or len(network.inputs) != 1:
        ends = ", ".join(terminal.name for terminal in (*network.inputs, *network.outputs))
        raise InputError(
            f"Network {network.name!r} must have one input and the outputs 'scores' and 'class' for a board, not {ends}"
        )
    frame, scores, label = network.inputs[0].stream, outputs["scores"], outputs["class"]
    if frame.element not in (Integer(8), Integer(8, signed=True)):
        raise InputError(f"Input of network {network.name!r} must be uint8 or int8 for a board, not {frame.element}")
    if scores.element.width > 32 or not scores.element.signed or label.element.width > 16:
        raise InputError(
            f"Outputs of network {network.name!r} must be signed scores of at most 32 bits and a class of at most "
            f"16 bits for a board, not {scores.element} and {label.element}"
        )
    info = Info(
        frame.size, scores.size, max(2, -(-scores.element.width // 8)), network_id(network), signed=frame.element.signed
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
