"""Stand-ins for boards at a pseudo-terminal: a model, and the simulated hardware."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from dataflow import Network
from rtl.link.protocol import Meaning, Message, pack
from sim_tests.link.line import LineReader, wave_of
from sim_tests.link.model import BoardModel, Oracle
from xnorflow.host import BoardConnection

#: A stand-in for the board: a function from the received bytes to the bytes that are sent back.
Device = Callable[[bytes], bytes]


@contextmanager
def port_of(device: Device) -> Iterator[str]:
    """Connect a device to a pseudo-terminal and yield the name of its port."""
    master, slave = os.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            readable, _, _ = select.select([master], [], [], 0.005)
            reply = device(os.read(master, 4096) if readable else b"")
            if reply:
                os.write(master, reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)


class ModelDevice:
    """The board's model; `change` may alter, drop or extend the replies, by their running number."""

    def __init__(self, oracle: Oracle, change: Callable[[int, Message], bytes] = lambda number, reply: pack(reply)):
        self._model = BoardModel(oracle)
        self._change = change
        self.count = 0

    def __call__(self, data: bytes) -> bytes:
        line = b""
        for reply in self._model.feed(data):
            line += self._change(self.count, reply)
            self.count += 1
        return line


def check(board: BoardConnection, oracle: Oracle, frames: np.ndarray) -> None:
    answers = board.infer(frames)
    expected = [oracle.result(row.astype(np.uint8).tobytes()) for row in frames.reshape(len(frames), -1)]
    for index, numbers in enumerate(answers.outputs):
        np.testing.assert_array_equal(numbers, [each.numbers[index] for each in expected])
    described = board.info().parts
    parts = {part.meaning: each for part, each in zip(described, answers.outputs, strict=True) if not part.head}
    nothing = np.zeros((len(frames), 0), np.int64)
    np.testing.assert_array_equal(answers.scores, parts.pop(Meaning.SCORES, nothing))
    of_frame = any(part.meaning == Meaning.CLASS and part.count == 1 and not part.head for part in described)
    (predictions,) = parts.values() or [nothing]
    np.testing.assert_array_equal(answers.predictions, predictions[:, 0] if of_frame else predictions)
    assert answers.predictions.dtype == answers.scores.dtype == np.int64
    assert answers.seconds > 0


class SimulatedDevice:
    """The hardware in the Amaranth simulator, clocked as bytes arrive."""

    def __init__(self, network: Network, divisor: int = 8):
        from amaranth.sim import Simulator

        from rtl.link.serial import SerialNetwork

        dut = SerialNetwork(network, divisor)
        reader = LineReader(divisor)
        self.queue: list[int] = []
        self._reader = reader

        async def line(ctx):
            while True:
                ctx.set(dut.rx, self.queue.pop(0) if self.queue else 1)
                reader.sample(ctx.get(dut.tx))
                await ctx.tick()

        self._divisor = divisor
        self._simulator = Simulator(dut)
        self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(line, background=True)

    def __call__(self, data: bytes) -> bytes:
        for level, bits in wave_of(data):
            self.queue += [level] * int(bits * self._divisor)
        for _ in range(len(self.queue) + 40):
            self._simulator.advance()
        reply = bytes(self._reader.received)
        self._reader.received.clear()
        return reply
