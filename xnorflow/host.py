"""The computer's end of the serial link: sends frames to a board and receives classes and scores."""

import random
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import prod
from types import TracebackType
from typing import Self

import numpy as np
import serial

from dataflow import InputError, Network
from rtl.link.protocol import (
    BITS_VERSION,
    OUTPUTS_VERSION,
    VERSION,
    Damaged,
    ErrorCode,
    Info,
    Kind,
    Meaning,
    Message,
    Result,
    Unpacker,
    network_id,
    pack,
)

__all__ = ["Answers", "BoardConnection"]

#: Most requests without a reply: the number of pending replies that a board holds.
WINDOW = 3

#: How often a request is sent before the connection is considered lost.
ATTEMPTS = 3


@dataclass(frozen=True, eq=False)
class Answers:
    """A board's answers to frames.

    Parameters
    ----------
    predictions : (frames,) int64, the classes; of several positions, of a network that ends in positions or in bits
        (frames, answers) int64; (frames, 0) of one that ends in scores alone
    scores : (frames, scores) int64, before the affine function that turns them into logits; (frames, 0) without scores
    seconds : from the first byte sent to the last one received
    outputs : (frames, count) int64 of each part of the results, in the order of `Info.parts`
    """

    predictions: np.ndarray
    scores: np.ndarray
    seconds: float
    outputs: tuple[np.ndarray, ...] = ()


@dataclass
class _Request:
    """A request that waits for its reply."""

    message: Message
    index: int
    attempts: int


class BoardConnection:
    """A connection to a board at a serial port; a context manager that closes the port.

    Parameters
    ----------
    port : name of the port
    baud : baud rate for which the bitstream was built
    network : the network that the board should have; its id is compared with the board's
    timeout : seconds of silence, in addition to the transmission itself, after which a request is considered lost

    Raises
    ------
    InputError
        The port cannot be opened, the board does not answer, or it has another network.
    """

    def __init__(
        self, port: str, *, baud: int = 1_000_000, network: Network | None = None, timeout: float = 1.0
    ) -> None:
        self._port, self._baud, self._timeout = port, baud, timeout
        self._unpacker = Unpacker()
        self._inbox: deque[Message] = deque()
        # A random start, so that late replies to an earlier program are not taken for replies to this one.
        self._sequence = random.randrange(256)
        self._serial = self._open()
        try:
            self._info = self._ask_info()
            self._check(network)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        self._serial.close()

    def info(self) -> Info:
        """Return the board's description of its network."""
        return self._info

    def infer(self, frames: np.ndarray, *, progress: Callable[[int], None] = lambda count: None) -> Answers:
        """Send frames and return the answers. The next frames are sent while the board computes.

        Parameters
        ----------
        frames : (frames, ...) integers 0 to 255, or -128 to 127 for a network that takes signed ones, with as many
            numbers per frame as the board's network has inputs
        progress : called with the number of frames answered so far

        Raises
        ------
        InputError
            Frames of a wrong size or range, or a board that stops answering or receives only damaged messages.
        """
        rows = self._rows_of(frames)
        results: dict[int, Result] = {}
        waiting = deque(_Request(Message(Kind.FRAME, 0, row), index, 0) for index, row in enumerate(rows))
        due: deque[_Request] = deque()
        window = WINDOW
        start = time.monotonic()
        while waiting or due:
            while waiting and len(due) < window:
                due.append(self._send(waiting.popleft()))
            sequences = {request.message.sequence for request in due}
            reply = self._receive(len(due) * (len(due[0].message.payload) + self._info.result_size + 18), sequences)
            overflow = reply is not None and reply.kind == Kind.ERROR and reply.payload == bytes([ErrorCode.OVERFLOW])
            again = self._settle(reply, due, results)
            if overflow and window > 1:  # the network is slower than the line
                window -= 1
                for request in again:
                    request.attempts -= 1
            waiting.extendleft(reversed(again))
            progress(len(results))
        return self._answers([results[index] for index in range(len(rows))], time.monotonic() - start)

    def _answers(self, results: list[Result], seconds: float) -> Answers:
        parts, count = self._info.parts, len(results)
        outputs = tuple(
            np.array([result.numbers[index] for result in results], np.int64).reshape(count, part.count)
            for index, part in enumerate(parts)
        )
        nothing = np.zeros((count, 0), np.int64)
        first = [(part, numbers) for part, numbers in zip(parts, outputs, strict=True) if part.head == parts[0].head]
        scores = next((numbers for part, numbers in first if part.meaning == Meaning.SCORES), nothing)
        predictions = nothing
        for part, numbers in first:
            if part.meaning != Meaning.SCORES:
                predictions = numbers[:, 0] if part.meaning == Meaning.CLASS and part.count == 1 else numbers
        return Answers(predictions, scores, seconds, outputs)

    def _settle(self, reply: Message | None, due: deque[_Request], results: dict[int, Result]) -> list[_Request]:
        """Remove the requests that `reply` settles from `due`; return those that must be sent again.

        Replies come in the order of the requests. So requests before the one that is answered were lost, and without a
        reply (None) all of them were.
        """
        if reply is None:
            again = list(due)
            due.clear()
            return again
        position = next(k for k, request in enumerate(due) if request.message.sequence == reply.sequence)
        again = [due.popleft() for _ in range(position)]
        request = due.popleft()
        if reply.kind == Kind.RESULT:
            results[request.index] = Result.unpack(reply.payload, self._info)
        elif reply.payload in (bytes([ErrorCode.CHECKSUM]), bytes([ErrorCode.OVERFLOW])):
            again.append(request)
        else:
            raise InputError(
                f"Board at {self._port!r} must answer frames, not type {reply.kind:#04x} with {reply.payload.hex()!r}"
            )
        return again

    def _rows_of(self, frames: np.ndarray) -> list[bytes]:
        array = np.asarray(frames)
        if array.dtype.kind not in "iu":
            raise InputError(f"Frames for the board at {self._port!r} must be integers, not {array.dtype}")
        if array.ndim < 2 or prod(array.shape[1:]) != self._info.frame_size:
            raise InputError(
                f"Frames for the board at {self._port!r} must be (frames, ...) with {self._info.frame_size} numbers "
                f"each, not {array.shape}"
            )
        low, high = (-128, 127) if self._info.signed else (0, 255)
        if array.size and (array.min() < low or array.max() > high):
            raise InputError(
                f"Frames for the board at {self._port!r} must be {low} to {high}, not {array.min()} to {array.max()}"
            )
        return [row.tobytes() for row in array.astype(np.uint8)]

    def _ask_info(self) -> Info:
        request = _Request(Message(Kind.INFO, 0), 0, 0)
        while True:
            self._send(request)
            reply = self._receive(128, {request.message.sequence}, Kind.INFO_REPLY)
            if reply:
                return Info.unpack(reply.payload)

    def _check(self, network: Network | None) -> None:
        info = self._info
        versions = (VERSION, BITS_VERSION, OUTPUTS_VERSION)
        if info.version not in versions:
            rule = f"{', '.join(map(str, versions[:-1]))} or {versions[-1]}"
            raise InputError(f"Board at {self._port!r} must speak protocol version {rule}, not {info.version}")
        sizes = (0, 2, 3, 4) if info.bits else (2, 3, 4)
        if not info.outputs and info.score_size not in sizes:
            rule = f"{', '.join(map(str, sizes[:-1]))} or {sizes[-1]}"
            raise InputError(f"Score size of the board at {self._port!r} must be {rule} bytes, not {info.score_size}")
        least = min(part.count for part in info.parts) if info.outputs else info.classes
        if not (info.frame_size and least):
            raise InputError(
                f"Board at {self._port!r} must have frames and answers of at least one number, not {info.frame_size} "
                f"and {least}"
            )
        if network is not None and info.network_id != network_id(network):
            raise InputError(
                f"Board at {self._port!r} must hold network {network.name!r} (id {network_id(network):08x}), "
                f"not another (id {info.network_id:08x})"
            )

    def _open(self) -> serial.Serial:
        try:
            port = serial.Serial(self._port, self._baud, timeout=0.02, write_timeout=5.0 + self._timeout)
            port.reset_input_buffer()
        except ValueError as error:
            raise InputError(
                f"Baud rate of port {self._port!r} must be one that it supports, not {self._baud}"
            ) from error
        except serial.SerialException as error:
            raise InputError(f"Port {self._port!r} must be one that can be opened, not fail: {error}") from error
        return port

    def _send(self, request: _Request) -> _Request:
        """Send a request with the next sequence."""
        if request.attempts == ATTEMPTS:
            what = "an answer to INFO" if request.message.kind == Kind.INFO else f"a result of frame {request.index}"
            raise InputError(
                f"Board at {self._port!r} must give {what} at {self._baud} baud, not none in {ATTEMPTS} attempts"
            )
        self._sequence = (self._sequence + 1) & 0xFF
        request.message = Message(request.message.kind, self._sequence, request.message.payload)
        request.attempts += 1
        try:
            self._serial.write(pack(request.message))
        except serial.SerialException as error:
            raise self._lost(error) from error
        return request

    def _receive(self, size: int, sequences: Collection[int], kind: Kind | None = None) -> Message | None:
        """Return the next message with one of the sequences, or None after the time of `size` bytes and `timeout`.

        Others are dropped and give no more time: late replies, those with a damaged sequence, and what a board sends
        that never stops.
        """
        deadline = time.monotonic() + self._timeout + size * 10 / self._baud
        while True:
            while self._inbox:
                message = self._inbox.popleft()
                if message.sequence in sequences and kind in (None, message.kind):
                    return message
            if time.monotonic() >= deadline:
                return None
            try:
                data = self._serial.read(max(1, self._serial.in_waiting))
            except (serial.SerialException, OSError) as error:
                raise self._lost(error) from error
            self._inbox += [each for each in self._unpacker.feed(data) if not isinstance(each, Damaged)]

    def _lost(self, error: Exception) -> InputError:
        return InputError(f"Board at {self._port!r} must stay connected, not fail: {error}")
