"""The protocol in plain Python."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import InputError, Integer, Network, fold
from rtl.link import protocol
from rtl.link.protocol import (
    BITS_VERSION,
    END,
    ESC,
    OUTPUTS_VERSION,
    Damaged,
    Info,
    Kind,
    Meaning,
    Message,
    Part,
    Result,
    Unpacker,
    checksum,
    info_of,
    network_id,
    pack,
)
from sim_tests.cases import dense_network
from sim_tests.map_cases import map_network

messages = st.builds(Message, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40))


def test_checksum_has_the_catalogue_s_check_value() -> None:
    assert checksum(b"123456789") == 0x29B1


def test_message_on_the_line() -> None:
    body = bytes([0x02, 0xC0, 0, 0])
    high, low = checksum(body).to_bytes(2, "big")
    assert pack(Message(Kind.INFO, 0xC0)) == bytes([0xC0, 0x02, 0xDB, 0xDC, 0, 0, high, low, 0xC0])


@given(sent=st.lists(messages), cuts=st.lists(st.integers(0, 200)))
def test_messages_come_through_however_the_line_is_cut(sent: list[Message], cuts: list[int]) -> None:
    line = b"".join(map(pack, sent))
    borders = sorted({min(cut, len(line)) for cut in cuts} | {0, len(line)})
    unpacker = Unpacker()
    received = [message for a, b in pairwise(borders) for message in unpacker.feed(line[a:b])]
    assert received == sent


@given(noise=st.binary(max_size=60), message=messages)
def test_a_message_comes_through_after_any_noise(noise: bytes, message: Message) -> None:
    assert Unpacker().feed(noise + pack(message))[-1] == message


@given(message=messages, position=st.integers(0, 1000), bit=st.integers(0, 7))
def test_a_flipped_bit_makes_no_other_message(message: Message, position: int, bit: int) -> None:
    line = bytearray(pack(message))
    line[position % len(line)] ^= 1 << bit
    assert all(each in (message,) or isinstance(each, Damaged) for each in Unpacker().feed(bytes(line)))


@pytest.mark.parametrize("piece", [bytes([1, ESC]), bytes([ESC, 1]), b"12", b"1234567", b""])
def test_what_is_no_message_is_damaged(piece: bytes) -> None:
    received = Unpacker().feed(bytes([END]) + piece + bytes([END]))
    assert received == ([Damaged(piece)] if piece else [])


def test_wrong_length_with_right_checksum_is_damaged() -> None:
    body = bytes([0x81, 0, 2, 0, 9])
    line = bytes([END]) + body + checksum(body).to_bytes(2, "big") + bytes([END])
    assert isinstance(Unpacker().feed(line)[0], Damaged)


def test_payload_is_bounded() -> None:
    with pytest.raises(InputError, match=r"^Payload of a message must be at most 65535 bytes, not 65536$"):
        pack(Message(Kind.FRAME, 0, bytes(65536)))


def test_info_on_the_line() -> None:
    info = Info(784, 10, 2, 0x12345678)
    assert info.pack() == bytes([1, 0x10, 0x03, 10, 0, 2, 0x78, 0x56, 0x34, 0x12, 0])
    assert Info.unpack(info.pack()) == info
    signed = replace(info, signed=True)
    assert signed.pack() == info.pack()[:-1] + bytes([1])
    assert Info.unpack(signed.pack()) == signed
    assert Info.unpack(info.pack() + b"more") == info
    assert info.result_size == 22
    with pytest.raises(InputError, match=r"^INFO reply of the board must have at least 11 bytes, not 10$"):
        Info.unpack(info.pack()[:-1])


@pytest.mark.parametrize(
    ("size", "scores"), [(2, [-32768, 32767, -1]), (3, [-(2**23), 2**23 - 1, 0]), (4, [-(2**31), 5, 7])]
)
def test_result_on_the_line(size: int, scores: list[int]) -> None:
    info = Info(1, 3, size, 0)
    payload = Result((np.array(scores), np.array([258]))).pack(info)
    assert len(payload) == info.result_size
    assert payload[-2:] == bytes([2, 1])
    result = Result.unpack(payload, info)
    assert [numbers.tolist() for numbers in result.numbers] == [scores, [258]]
    with pytest.raises(InputError, match=rf"^RESULT reply of the board must have {len(payload)} bytes, not 1$"):
        Result.unpack(b"1", info)


@pytest.mark.parametrize(
    ("bits", "payload"),
    [([1], "01"), ([0, 1, 1], "06"), ([1, 0, 0, 0, 0, 0, 0, 1], "81"), ([0] * 8 + [1, 0, 1], "0005")],
)
@pytest.mark.parametrize("scored", [False, True])
def test_bits_on_the_line(bits: list[int], payload: str, scored: bool) -> None:
    info = Info(1, len(bits), 2 if scored else 0, 0, BITS_VERSION, bits=True)
    scores = np.arange(len(bits)) - 2 if scored else np.zeros(0, np.int64)
    packed = Result((*[scores] * scored, np.array(bits))).pack(info)
    assert packed == scores.astype("<i2").tobytes() + bytes.fromhex(payload)
    assert len(packed) == info.result_size
    result = Result.unpack(packed, info)
    assert [numbers.tolist() for numbers in result.numbers] == [*[scores.tolist()] * scored, bits]
    assert info.pack()[0] == 2
    assert info.pack()[11:] == bytes([1])
    assert Info.unpack(info.pack()) == info


def network(**changes: object) -> Network:
    return replace(dense_network((12, 6, 4), outputs="both"), **changes)


def test_info_of_a_network() -> None:
    made = network()
    assert info_of(made) == Info(12, 4, 2, network_id(made))
    signed = dense_network((12, 6, 4), outputs="both", element=Integer(8, signed=True))
    assert info_of(signed) == Info(12, 4, 2, network_id(signed), signed=True)
    for outputs, size in (("bits", 0), ("signs", 2)):
        made = dense_network((12, 6, 4), outputs=outputs)
        assert info_of(made) == Info(12, 4, size, network_id(made), BITS_VERSION, bits=True)


def test_info_of_networks_that_earlier_versions_cannot_describe() -> None:
    alone = dense_network((12, 6, 4), outputs="scores")
    parts = (Part(Meaning.SCORES, 4, 1, signed=True),)
    assert info_of(alone) == Info(12, 0, 0, network_id(alone), OUTPUTS_VERSION, outputs=parts)
    maps = map_network("class")
    info = info_of(maps)
    assert [(part.meaning, part.count, part.size, part.signed) for part in info.parts] == [
        (Meaning.SCORES, 60, 1, True),
        (Meaning.CLASS, 20, 1, False),
    ]
    assert info.pack()[11:] == bytes([0, 2, 1, 0, 0x81, 60, 0, 2, 0, 1, 20, 0])
    assert Info.unpack(info.pack()) == info
    assert info_of(map_network("positions")).parts[1] == Part(Meaning.POSITIONS, 3, 1)
    assert info_of(map_network("bits")).version == BITS_VERSION
    result = Result((np.arange(60) - 30, np.arange(20) % 3))
    again = Result.unpack(result.pack(info), info)
    assert [numbers.tolist() for numbers in again.numbers] == [numbers.tolist() for numbers in result.numbers]


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("", "INFO reply of the board must list at least one output in 5 bytes each, not 0 in 0 bytes"),
        ("0000", "INFO reply of the board must list at least one output in 5 bytes each, not 0 in 0 bytes"),
        ("000201008104", "INFO reply of the board must list at least one output in 5 bytes each, not 2 in 4 bytes"),
        ("000109008104ff", "Outputs of the board must be of a known meaning and of at most 4 bytes, not 9 and 1"),
        ("000101008504ff", "Outputs of the board must be of a known meaning and of at most 4 bytes, not 1 and 5"),
    ],
)
def test_damaged_lists_of_outputs(tail: str, message: str) -> None:
    start = Info(12, 0, 0, 0, OUTPUTS_VERSION).pack()
    with pytest.raises(InputError, match=rf"^{message}$"):
        Info.unpack(start + bytes.fromhex(tail))


def test_network_id_is_that_of_the_function() -> None:
    made = network()
    folded = fold(made, {"fc0": {"pe": 3, "simd": 4}, "binarize": {"pe": 6}}, depths={"arg_max -> class": 9})
    assert network_id(folded) == network_id(made) == network_id(dense_network((12, 6, 4)))
    assert network_id(made) == 0xA7DFBCBB


def test_network_id_tells_weights_and_thresholds_apart() -> None:
    made = network()
    for name, field, index in (("fc0", "weights", (5, 11)), ("fc0", "thresholds", 3), ("arg_max", "offset", 0)):
        values = getattr(made.node(name), field).copy()
        values[index] = -values[index] if field == "weights" else values[index] + 1
        nodes = tuple(replace(node, **{field: values}) if node.name == name else node for node in made.nodes)
        assert network_id(replace(made, nodes=nodes)) != network_id(made)


def test_networks_that_cannot_stand_behind_a_link() -> None:
    made = network()
    second = replace(made.inputs[0], name="again")
    with pytest.raises(InputError, match=r"^Network 'dense-12-6-4' must have one input for a board, not input, again$"):
        info_of(replace(made, inputs=(*made.inputs, second)))

    def with_element(terminal, element):
        return replace(terminal, stream=replace(terminal.stream, element=element))

    with pytest.raises(
        InputError, match=r"^Input of network 'dense-12-6-4' must be uint8 or int8 for a board, not uint9$"
    ):
        info_of(replace(made, inputs=(with_element(made.inputs[0], Integer(9)),)))
    wide = (with_element(made.outputs[0], Integer(33, signed=True)), made.outputs[1])
    with pytest.raises(
        InputError,
        match=r"^Output 'scores' of network 'dense-12-6-4' must be of at most 32 bits for a board, not int33$",
    ):
        info_of(replace(made, outputs=wide))
    large = replace(made.inputs[0], stream=replace(made.inputs[0].stream, shape=(65536,)))
    with pytest.raises(
        InputError, match=r"^Messages of network 'dense-12-6-4' must be at most 65535 bytes, not 65536$"
    ):
        info_of(replace(made, inputs=(large,)))


def test_protocol_needs_no_hardware_description() -> None:
    code = "import runpy, sys; sys.modules.update(amaranth=None, torch=None); runpy.run_path(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, protocol.__file__], check=True)
