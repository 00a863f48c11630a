"""The computer's end of the link, with a model and with the simulated hardware at a pseudo-terminal."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dataflow import InputError, Integer, Network, fold
from hwsim import predict
from rtl.link.protocol import ErrorCode, Info, Kind, Message, Result, info_of, pack
from sim_tests.cases import dense_network, random_frames
from sim_tests.head_cases import heads_network
from sim_tests.link.model import BoardModel, Oracle
from sim_tests.map_cases import map_network
from tests.xnorflow.devices import Device, ModelDevice, SimulatedDevice, check, port_of
from xnorflow.host import BoardConnection


@pytest.fixture(scope="module")
def network() -> Network:
    return dense_network((12, 6, 4), outputs="both")


@pytest.fixture(scope="module")
def oracle(network: Network) -> Oracle:
    return Oracle(network)


def test_info_and_frames(network: Network, oracle: Oracle) -> None:
    device = ModelDevice(oracle)
    counts: list[int] = []
    with port_of(device) as port, BoardConnection(port, network=network) as board:
        assert board.info() == info_of(network)
        check(board, oracle, random_frames(network, 300))
        assert device.count == 301
        check(board, oracle, random_frames(network, 4).astype(np.uint8).reshape(4, 3, 4))
        board.infer(random_frames(network, 5), progress=counts.append)
        assert (counts, board.infer(random_frames(network, 5)[:0]).scores.shape) == ([1, 2, 3, 4, 5], (0, 4))


def test_one_sequence_is_not_like_the_next(oracle: Oracle) -> None:
    seen: list[int] = []

    def note(number: int, reply: Message) -> bytes:
        seen.append(reply.sequence)
        return pack(reply)

    with port_of(ModelDevice(oracle, note)) as port, BoardConnection(port) as board:
        board.infer(np.zeros((300, 12), np.uint8))
    assert [b - a & 0xFF for a, b in pairwise(seen)] == [1] * 300


@pytest.mark.parametrize(
    "fault",
    [
        lambda reply: pack(reply)[:-3],
        lambda reply: b"",
        lambda reply: b"\xdb\xdb noise \xc0" + pack(reply) + b"\x00\xff\xc0\xc0",
        lambda reply: pack(Message(Kind.ERROR, reply.sequence, bytes([ErrorCode.CHECKSUM]))),
        lambda reply: pack(Message(Kind.ERROR, reply.sequence ^ 0x80, bytes([ErrorCode.CHECKSUM]))),
        lambda reply: pack(Message(Kind.ERROR, reply.sequence, bytes([ErrorCode.OVERFLOW]))),
        lambda reply: pack(replace(reply, sequence=reply.sequence ^ 0x80)),
        lambda reply: pack(reply) * 2,
    ],
    ids=["cut", "lost", "noise", "checksum", "checksum elsewhere", "overflow", "late", "twice"],
)
def test_a_fault_now_and_then_changes_no_answer(
    fault: Callable[[Message], bytes], network: Network, oracle: Oracle
) -> None:
    faulty = {0, 1, 6, 12, 13, 14, 40}  # the first is INFO; the last frames are among them

    def change(number: int, reply: Message) -> bytes:
        return fault(reply) if number in faulty else pack(reply)

    with port_of(ModelDevice(oracle, change)) as port, BoardConnection(port, network=network, timeout=0.2) as board:
        check(board, oracle, random_frames(network, 34))


def test_a_request_that_the_line_damages_is_sent_again(network: Network, oracle: Oracle) -> None:
    model = BoardModel(oracle)
    chunks = 0

    def device(data: bytes) -> bytes:
        nonlocal chunks
        if len(data) > 8:
            chunks += 1
            if chunks == 2:
                data = data[:6] + bytes([data[6] ^ 2]) + data[7:]
        return b"".join(map(pack, model.feed(data)))

    with port_of(device) as port, BoardConnection(port, network=network, timeout=0.3) as board:
        check(board, oracle, random_frames(network, 20))
    assert chunks > 2


def test_a_board_that_overflows_gets_fewer_frames_at_once(network: Network, oracle: Oracle) -> None:
    came, quiet = b"", 0
    due: list[int] = []

    def one_at_a_time(data: bytes) -> bytes:
        """Answer when nothing has come for a while, and only the first of what came."""
        nonlocal came, quiet
        came, quiet = came + data, 0 if data else quiet + 1
        if not came or quiet < 8:
            return b""
        replies = model.feed(came)
        came = b""
        due.append(len(replies))
        refused = bytes([ErrorCode.OVERFLOW])
        return b"".join(
            pack(reply if number == 0 else Message(Kind.ERROR, reply.sequence, refused))
            for number, reply in enumerate(replies)
        )

    model = BoardModel(oracle)
    with port_of(one_at_a_time) as port, BoardConnection(port, network=network) as board:
        check(board, oracle, random_frames(network, 12))
    assert due[:2] == [1, 3]  # INFO, and a whole window
    assert due[-8:] == [1] * 8


def test_no_port() -> None:
    with pytest.raises(InputError, match=r"^Port '/dev/ttyNONE' must be one that can be opened, not fail: .*$"):
        BoardConnection("/dev/ttyNONE")


def test_impossible_baud_rate(oracle: Oracle) -> None:
    with (
        port_of(ModelDevice(oracle)) as port,
        pytest.raises(InputError, match=rf"^Baud rate of port '{port}' must be one that it supports, not -5$"),
    ):
        BoardConnection(port, baud=-5)


def test_silent_board() -> None:
    with (
        port_of(lambda data: b"") as port,
        pytest.raises(
            InputError,
            match=rf"^Board at '{port}' must give an answer to INFO at 1000000 baud, not none in 3 attempts$",
        ),
    ):
        BoardConnection(port, timeout=0.1)


def test_board_that_falls_silent(network: Network, oracle: Oracle) -> None:
    def change(number: int, reply: Message) -> bytes:
        return pack(reply) if number < 6 else b""

    with (
        port_of(ModelDevice(oracle, change)) as port,
        BoardConnection(port, network=network, timeout=0.1) as board,
        pytest.raises(
            InputError,
            match=rf"^Board at '{port}' must give a result of frame 5 at 1000000 baud, not none in 3 attempts$",
        ),
    ):
        board.infer(random_frames(network, 20))


def test_board_that_always_overflows(network: Network, oracle: Oracle) -> None:
    def change(number: int, reply: Message) -> bytes:
        return pack(reply if number == 0 else Message(Kind.ERROR, reply.sequence, bytes([ErrorCode.OVERFLOW])))

    with (
        port_of(ModelDevice(oracle, change)) as port,
        BoardConnection(port, network=network) as board,
        pytest.raises(InputError, match=r"^Board at '.*' must give a result of frame \d at .* in 3 attempts$"),
    ):
        board.infer(random_frames(network, 20))


def test_another_network_on_the_board(network: Network, oracle: Oracle) -> None:
    other = dense_network((12, 6, 4), seed=5, outputs="both")
    with (
        port_of(ModelDevice(oracle)) as port,
        pytest.raises(
            InputError,
            match=rf"^Board at '{port}' must hold network 'dense-12-6-4' \(id [0-9a-f]{{8}}\), not another "
            r"\(id a7dfbccb\)$".replace("a7dfbccb", f"{info_of(network).network_id:08x}"),
        ),
    ):
        BoardConnection(port, network=other)


def test_network_without_the_score_output_is_the_same_network(oracle: Oracle) -> None:
    with port_of(ModelDevice(oracle)) as port, BoardConnection(port, network=dense_network((12, 6, 4))) as board:
        assert board.info().classes == 4


def flooding(oracle: Oracle, flood: bytes, *, after: int) -> Device:
    """Return a board that gives so many right replies, and then sends the same bytes without an end."""
    model = ModelDevice(oracle)

    def device(data: bytes) -> bytes:
        reply = model(data)
        return reply if model.count <= after else flood

    return device


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("what", ["late", "noise"])
def test_a_board_that_never_stops_hangs_nobody(what: str, after: int, network: Network, oracle: Oracle) -> None:
    late = pack(Message(Kind.RESULT, 0, bytes(10))) * 20
    waits = r"(an answer to INFO|a result of frame \d) at 1000000 baud, not none in 3 attempts"

    def run_on(port: str) -> None:
        with BoardConnection(port, network=network, timeout=0.1) as board:
            board._sequence = 10  # far from the late replies'
            board.infer(random_frames(network, 8))

    start = time.monotonic()
    with (
        port_of(flooding(oracle, late if what == "late" else bytes(1000), after=after)) as port,
        pytest.raises(InputError, match=rf"^Board at '{port}' must give {waits}$"),
    ):
        run_on(port)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        (5, 0, r"Score size of the board at '.*' must be 2, 3 or 4 bytes, not 0"),
        (5, 255, r"Score size of the board at '.*' must be 2, 3 or 4 bytes, not 255"),
        (1, 0, r"Board at '.*' must have frames and answers of at least one number, not 0 and 4"),
        (3, 0, r"Board at '.*' must have frames and answers of at least one number, not 12 and 0"),
    ],
)
def test_impossible_sizes(place: int, value: int, rule: str, oracle: Oracle) -> None:
    def change(number: int, reply: Message) -> bytes:
        return pack(replace(reply, payload=reply.payload[:place] + bytes([value]) + reply.payload[place + 1 :]))

    with port_of(ModelDevice(oracle, change)) as port, pytest.raises(InputError, match=f"^{rule}$"):
        BoardConnection(port)


def test_later_protocol(oracle: Oracle) -> None:
    def change(number: int, reply: Message) -> bytes:
        return pack(replace(reply, payload=bytes([9]) + reply.payload[1:]))

    with (
        port_of(ModelDevice(oracle, change)) as port,
        pytest.raises(InputError, match=rf"^Board at '{port}' must speak protocol version 1, 2 or 3, not 9$"),
    ):
        BoardConnection(port)


def test_frames_that_do_not_fit(oracle: Oracle) -> None:
    with port_of(ModelDevice(oracle)) as port, BoardConnection(port) as board:
        where = rf"^Frames for the board at '{port}' must be"
        for shape in ((3, 11), (3, 13), (12,), (3, 2, 5)):
            written = str(shape).replace("(", r"\(").replace(")", r"\)")
            with pytest.raises(InputError, match=rf"{where} \(frames, ...\) with 12 numbers each, not {written}$"):
                board.infer(np.zeros(shape, np.uint8))
        with pytest.raises(InputError, match=rf"{where} 0 to 255, not -1 to 256$"):
            board.infer(np.array([[-1, 256] * 6]))
        with pytest.raises(InputError, match=rf"{where} integers, not float64$"):
            board.infer(np.zeros((1, 12)))
        check(board, oracle, np.full((1, 12), 255))


def test_signed_frames() -> None:
    network = dense_network((12, 6, 4), outputs="both", element=Integer(8, signed=True))
    oracle = Oracle(network)
    with port_of(ModelDevice(oracle)) as port, BoardConnection(port) as board:
        check(board, oracle, random_frames(network, 5).astype(np.int8))
        with pytest.raises(InputError, match=rf"^Frames for the board at '{port}' must be -128 to 127, not 0 to 128$"):
            board.infer(np.array([[0] * 11 + [128]]))


@pytest.mark.parametrize(("outputs", "count"), [("bits", 4), ("bits", 1), ("signs", 11)])
def test_boards_that_answer_in_bits(outputs: str, count: int) -> None:
    network = dense_network((12, 6, count), outputs=outputs)
    oracle = Oracle(network)
    with port_of(ModelDevice(oracle)) as port, BoardConnection(port, network=network) as board:
        assert board.info() == info_of(network)
        frames = random_frames(network, 20)
        check(board, oracle, frames)
        answers = board.infer(frames)
        assert answers.predictions.tolist() == predict(network, frames).predictions.tolist()
        assert answers.scores.shape == (20, count if outputs == "signs" else 0)
        assert board.infer(frames[:0]).predictions.shape == (0, count)


def test_board_that_refuses_the_type(network: Network, oracle: Oracle) -> None:
    def change(number: int, reply: Message) -> bytes:
        return pack(reply if number == 0 else Message(Kind.ERROR, reply.sequence, bytes([ErrorCode.TYPE])))

    with (
        port_of(ModelDevice(oracle, change)) as port,
        BoardConnection(port, network=network) as board,
        pytest.raises(InputError, match=rf"^Board at '{port}' must answer frames, not type 0x8f with '03'$"),
    ):
        board.infer(random_frames(network, 1))


@pytest.mark.sim
def test_simulated_hardware(network: Network, oracle: Oracle) -> None:
    with port_of(SimulatedDevice(network)) as port, BoardConnection(port, network=network, timeout=20) as board:
        assert board.info() == Info(12, 4, 2, info_of(network).network_id)
        check(board, oracle, random_frames(network, 12))
        assert isinstance(oracle.result(bytes(12)), Result)


@pytest.mark.sim
@pytest.mark.parametrize("outputs", ["bits", pytest.param("signs", marks=pytest.mark.slow)])
def test_simulated_hardware_that_answers_in_bits(outputs: str) -> None:
    network = fold(dense_network((12, 6, 5), outputs=outputs), {"fc1": {"pe": 2}})
    with port_of(SimulatedDevice(network)) as port, BoardConnection(port, network=network, timeout=20) as board:
        check(board, Oracle(network), random_frames(network, 6))


MAPS = {
    "scores": lambda: map_network("scores"),
    "class": lambda: map_network("class"),
    "positions": lambda: map_network("positions"),
    "bits": lambda: map_network("bits"),
    "heads": lambda: heads_network(("map", "class", "bits"), exposed=(1,)),
    # More bits than wait in the network while the scores are sent.
    "many-bits": lambda: dense_network((12, 6, 70), outputs="signs"),
}


@pytest.mark.parametrize("name", MAPS)
def test_boards_with_other_outputs(name: str) -> None:
    network = MAPS[name]()
    oracle = Oracle(network)
    with port_of(ModelDevice(oracle)) as port, BoardConnection(port, network=network) as board:
        check(board, oracle, random_frames(network, 8))
        empty = board.infer(random_frames(network, 2)[:0])
        assert [len(numbers) for numbers in empty.outputs] == [0] * len(oracle.info.parts)


@pytest.mark.sim
@pytest.mark.parametrize(
    "name",
    ["heads", *(pytest.param(name, marks=pytest.mark.slow) for name in MAPS if name != "heads")],
)
def test_simulated_hardware_with_other_outputs(name: str) -> None:
    network = fold(MAPS[name](), {})
    with port_of(SimulatedDevice(network)) as port, BoardConnection(port, network=network, timeout=60) as board:
        check(board, Oracle(network), random_frames(network, 3))
