"""A model of the board in plain Python: the answers that the gateware must give, written from the protocol's text."""

from collections.abc import Iterable

import numpy as np

from dataflow import Network
from hwsim.reference import evaluate
from rtl.link.protocol import (
    END,
    ESC,
    ESC_END,
    ESC_ESC,
    HEADER_SIZE,
    ErrorCode,
    Info,
    Kind,
    Message,
    Result,
    checksum,
    info_of,
    sent_outputs,
)
from sim_tests.link.line import BROKEN

__all__ = ["BoardModel", "Oracle"]


class Oracle:
    """The results of a network, computed by the reference.

    Parameters
    ----------
    network : a network that can have a serial link
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.info: Info = info_of(network)

    def result(self, frame: bytes) -> Result:
        """Return the board's result for a frame."""
        values = evaluate(
            self._network, np.frombuffer(frame, np.int8 if self.info.signed else np.uint8)[None].astype(np.int64)
        )
        ends = sent_outputs(self._network)
        return Result(tuple(values[self._network.fifos_into(end.name)[0].name].ravel() for end in ends))


class BoardModel:
    """A board that answers at once, so that it never overflows.

    A character is a byte, plus `BROKEN` if its stop bit was low.

    Parameters
    ----------
    oracle : computes the results
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._body = bytearray()
        self._escaped = self._broken = False

    def feed(self, characters: Iterable[int]) -> list[Message]:
        """Process characters; return the replies that they cause."""
        replies = []
        for character in characters:
            if character == END:
                if len(self._body) >= HEADER_SIZE:
                    replies.append(self._reply(bytes(self._body), self._broken or self._escaped))
                self._body.clear()
                self._escaped = self._broken = False
            else:
                self._take(character)
        return replies

    def _take(self, character: int) -> None:
        if character == ESC and not self._escaped:
            self._escaped = True
            return
        if self._escaped:
            plain = {ESC_END: END, ESC_ESC: ESC}
            self._broken |= character not in plain
            character = plain.get(character, character)
        self._broken |= character >= BROKEN
        self._body.append(character & 0xFF)
        self._escaped = False

    def _reply(self, body: bytes, damaged: bool) -> Message:
        kind, sequence, length = body[0], body[1], int.from_bytes(body[2:4], "little")
        wanted = {Kind.FRAME.value: self._oracle.info.frame_size, Kind.INFO.value: 0}.get(kind)

        def error(code: ErrorCode) -> Message:
            return Message(Kind.ERROR, sequence, bytes([code]))

        if damaged or checksum(body):
            return error(ErrorCode.CHECKSUM)
        if wanted is None:
            return error(ErrorCode.TYPE)
        if not wanted == length == len(body) - 6:
            return error(ErrorCode.LENGTH)
        if kind == Kind.INFO:
            return Message(Kind.INFO_REPLY, sequence, self._oracle.info.pack())
        return Message(Kind.RESULT, sequence, self._oracle.result(body[4:-2]).pack(self._oracle.info))
