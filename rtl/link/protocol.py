"""The serial protocol in plain Python, for both ends of the line. `docs/serial-protocol.md` defines it."""

import zlib
from binascii import crc_hqx
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from dataflow import Bipolar, InputError, Integer, Network, Terminal

__all__ = [
    "BITS_VERSION",
    "CHECKSUM_SIZE",
    "END",
    "ESC",
    "ESC_END",
    "ESC_ESC",
    "HEADER_SIZE",
    "OUTPUTS_VERSION",
    "VERSION",
    "Damaged",
    "ErrorCode",
    "Info",
    "Kind",
    "Meaning",
    "Message",
    "Part",
    "Result",
    "Unpacker",
    "checksum",
    "escape",
    "info_of",
    "network_id",
    "pack",
    "sent_outputs",
]

#: Version of the protocol, the first byte of an INFO reply: that of boards that send a class.
VERSION = 1

#: That of boards that send bits, which a computer of version 1 would take for something else.
BITS_VERSION = 2

#: That of boards that send anything else: scores alone, answers at several positions, several outputs of a model.
OUTPUTS_VERSION = 3

# RFC 1055.
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD

HEADER_SIZE = 4
CHECKSUM_SIZE = 2

#: More bytes than any message has, even if all of them are escaped.
_TOO_LONG = 2 * (HEADER_SIZE + 0xFFFF + CHECKSUM_SIZE) + 1


#: Bytes that describe an output in an INFO reply of version 3.
_PART_SIZE = 5


class Kind(IntEnum):
    """The type byte of a message; replies have the highest bit set."""

    FRAME = 0x01
    INFO = 0x02
    RESULT = 0x81
    INFO_REPLY = 0x82
    ERROR = 0x8F


class Meaning(IntEnum):
    """What the numbers of an output are."""

    SCORES = 1
    CLASS = 2
    POSITIONS = 3
    BITS = 4


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
class Part:
    """One part of a RESULT: the numbers of one output.

    Parameters
    ----------
    meaning : what they are
    count : how many
    size : bytes of a number, 1 to 4; 0 for bits, eight to a byte
    signed : whether the numbers are signed
    head : number of the model's output that it belongs to, from 0 on
    """

    meaning: Meaning
    count: int
    size: int
    signed: bool = False
    head: int = 0

    @property
    def length(self) -> int:
        """Bytes of the part."""
        return self.count * self.size if self.size else -(-self.count // 8)

    def pack(self, numbers: np.ndarray) -> bytes:
        """Return the bytes of (count,) integers."""
        if not self.size:
            return np.packbits(numbers.astype(np.uint8), bitorder="little").tobytes()
        return b"".join(int(number).to_bytes(self.size, "little", signed=self.signed) for number in numbers)

    def unpack(self, payload: bytes) -> np.ndarray:
        """Return (count,) int64."""
        if not self.size:
            bits = np.unpackbits(np.frombuffer(payload, np.uint8), count=self.count, bitorder="little")
            return bits.astype(np.int64)
        cuts = range(0, self.length, self.size)
        numbers = [int.from_bytes(payload[cut : cut + self.size], "little", signed=self.signed) for cut in cuts]
        return np.array(numbers, np.int64)


@dataclass(frozen=True)
class Info:
    """A board's description of its network.

    Parameters
    ----------
    frame_size : bytes per frame
    classes : number of scores in a result, or of its bits; 0 in version 3
    score_size : bytes per score, 2 to 4; 0 if a result has no scores, and in version 3
    network_id : see `network_id`
    version : version of the protocol
    signed : whether the bytes of a frame are signed numbers, -128 to 127, instead of 0 to 255
    bits : whether a result ends in a bit for each of `classes` instead of in a class; not in version 3
    outputs : parts of a result in version 3; else ()
    """

    frame_size: int
    classes: int
    score_size: int
    network_id: int
    version: int = VERSION
    signed: bool = False
    bits: bool = False
    outputs: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a RESULT's payload, in order."""
        if self.outputs:
            return self.outputs
        scores = (Part(Meaning.SCORES, self.classes, self.score_size, signed=True),) if self.score_size else ()
        return (*scores, Part(Meaning.BITS, self.classes, 0) if self.bits else Part(Meaning.CLASS, 1, 2))

    @property
    def result_size(self) -> int:
        """Bytes of a RESULT's payload."""
        return sum(part.length for part in self.parts)

    def pack(self) -> bytes:
        """Return the payload of an INFO reply: 11 bytes, 12 for bits; in version 3 one more and 5 for each part."""
        sizes = self.frame_size.to_bytes(2, "little") + self.classes.to_bytes(2, "little") + bytes([self.score_size])
        start = bytes([self.version]) + sizes + self.network_id.to_bytes(4, "little") + bytes([self.signed])
        if not self.outputs:
            return start + bytes([1] * self.bits)
        parts = (
            bytes([part.meaning, part.head, part.size | part.signed << 7]) + part.count.to_bytes(2, "little")
            for part in self.outputs
        )
        return start + bytes([0, len(self.outputs)]) + b"".join(parts)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Read the payload of an INFO reply; a later version may have appended to it."""
        if len(payload) < 11:
            raise InputError(f"INFO reply of the board must have at least 11 bytes, not {len(payload)}")
        version = payload[0]
        frame_size, classes = (int.from_bytes(payload[start : start + 2], "little") for start in (1, 3))
        identity = int.from_bytes(payload[6:10], "little")
        bits = payload[11:12] == bytes([1])
        parts = _parts_of(payload) if version == OUTPUTS_VERSION else ()
        return cls(frame_size, classes, payload[5], identity, version, bool(payload[10]), bits, parts)


def _parts_of(payload: bytes) -> tuple[Part, ...]:
    """Return the parts that an INFO reply of version 3 lists."""
    count = payload[12] if len(payload) > 12 else 0
    if not count or len(payload) < 13 + _PART_SIZE * count:
        raise InputError(
            f"INFO reply of the board must list at least one output in {_PART_SIZE} bytes each, "
            f"not {count} in {max(0, len(payload) - 13)} bytes"
        )
    parts = []
    for start in range(13, 13 + _PART_SIZE * count, _PART_SIZE):
        meaning, head, size = payload[start : start + 3]
        if meaning not in list(Meaning) or size & 0x7F > 4:
            raise InputError(
                "Outputs of the board must be of a known meaning and of at most 4 bytes, "
                f"not {meaning} and {size & 0x7F}"
            )
        numbers = int.from_bytes(payload[start + 3 : start + 5], "little")
        parts.append(Part(Meaning(meaning), numbers, size & 0x7F, bool(size & 0x80), head))
    return tuple(parts)


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to a frame.

    Parameters
    ----------
    numbers : (count,) int64 of each part
    """

    numbers: tuple[np.ndarray, ...]

    def pack(self, info: Info) -> bytes:
        """Return the payload of a RESULT reply."""
        return b"".join(part.pack(numbers) for part, numbers in zip(info.parts, self.numbers, strict=True))

    @classmethod
    def unpack(cls, payload: bytes, info: Info) -> Self:
        """Read the payload of a RESULT reply."""
        if len(payload) != info.result_size:
            raise InputError(f"RESULT reply of the board must have {info.result_size} bytes, not {len(payload)}")
        ends = np.cumsum([0, *(part.length for part in info.parts)]).tolist()
        return cls(
            tuple(
                part.unpack(payload[start:end])
                for part, start, end in zip(info.parts, ends[:-1], ends[1:], strict=True)
            )
        )


def sent_outputs(network: Network) -> tuple[Terminal, ...]:
    """Return the outputs of a network in the order in which a board sends them: head by head, scores first."""
    return tuple(
        sorted(network.outputs, key=lambda end: (_head_of(network, end), _meaning(network, end) != Meaning.SCORES))
    )


def info_of(network: Network) -> Info:
    """Return the description that a board with this network sends.

    Raises
    ------
    InputError
        The network cannot have a serial link.
    """
    if len(network.inputs) != 1:
        names = ", ".join(terminal.name for terminal in network.inputs)
        raise InputError(f"Network {network.name!r} must have one input for a board, not {names}")
    frame = network.inputs[0].stream
    if frame.element not in (Integer(8), Integer(8, signed=True)):
        raise InputError(f"Input of network {network.name!r} must be uint8 or int8 for a board, not {frame.element}")
    parts = tuple(_part_of(network, end) for end in sent_outputs(network))
    info = Info(frame.size, 0, 0, network_id(network), OUTPUTS_VERSION, frame.element.signed, False, parts)
    longest = max(info.frame_size, info.result_size)
    if longest > 0xFFFF:
        raise InputError(f"Messages of network {network.name!r} must be at most 65535 bytes, not {longest}")
    return _of_earlier_version(info) or info


def _of_earlier_version(info: Info) -> Info | None:
    """Return the description as versions 1 and 2 have it; None if they cannot say it."""
    *scores, answer = info.outputs
    bits = answer.meaning == Meaning.BITS
    if len(scores) > 1 or not (scores or bits) or any(part.head for part in info.outputs):
        return None
    count = scores[0].count if scores else answer.count
    size = max(2, scores[0].size) if scores else 0
    version = BITS_VERSION if bits else VERSION
    plain = Info(info.frame_size, count, size, info.network_id, version, info.signed, bits)
    same = [(part.meaning, part.count, part.signed) for part in plain.parts] == [
        (part.meaning, part.count, part.signed) for part in info.outputs
    ]
    return plain if same and answer.size <= plain.parts[-1].size else None


def _part_of(network: Network, end: Terminal) -> Part:
    """Return what a board sends of an output."""
    element, meaning = end.stream.element, _meaning(network, end)
    if element.width > 32:
        raise InputError(
            f"Output {end.name!r} of network {network.name!r} must be of at most 32 bits for a board, not {element}"
        )
    size = 0 if meaning == Meaning.BITS else -(-element.width // 8)
    return Part(meaning, end.stream.size, size, signed=element.signed, head=_head_of(network, end))


def _head_of(network: Network, end: Terminal) -> int:
    return next(index for index, head in enumerate(network.every_head) if end.name in head.outputs)


def _meaning(network: Network, end: Terminal) -> Meaning:
    if isinstance(end.stream.element, Bipolar):
        return Meaning.BITS
    (fifo,) = network.fifos_into(end.name)
    source = network.node_of_name.get(fifo.source)
    return Meaning[source.answers.upper()] if source is not None and source.answers else Meaning.SCORES


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
