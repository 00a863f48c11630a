"""``xnorflow run``: what it compares and prints, with a model of a board at a pseudo-terminal."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Network, board_outputs, save_network
from rtl.link.protocol import Kind, Message, Result, info_of, pack
from sim_tests.cases import dense_network, random_frames
from sim_tests.link.model import Oracle
from sim_tests.map_cases import map_network
from tests.xnorflow.devices import ModelDevice, port_of
from xnorflow.__main__ import main
from xnorflow.timing import Clock, timing_of


@pytest.fixture(scope="module")
def network() -> Network:
    return dense_network((12, 6, 4), outputs="both")


@pytest.fixture(scope="module")
def oracle(network: Network) -> Oracle:
    return Oracle(network)


def test_the_command_compares_bits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = dense_network((12, 6, 3), outputs="signs")
    other = replace(network, outputs=network.outputs[::-1])
    oracle = Oracle(other)

    def flip_one(number: int, reply: Message) -> bytes:
        payload = reply.payload[:-1] + bytes([reply.payload[-1] ^ 6]) if number == 2 else reply.payload
        return pack(replace(reply, payload=payload))

    save_network(network, tmp_path / "net.xnf")
    np.save(tmp_path / "frames.npy", random_frames(network, 5).astype(np.uint8))
    args = ["--net", str(tmp_path / "net.xnf"), "--input", str(tmp_path / "frames.npy"), "--json"]
    with port_of(ModelDevice(oracle, flip_one)) as port, pytest.raises(SystemExit) as stop:
        main(["run", "--port", port, *args])
    assert stop.value.code == 1
    result = json.loads(capfd.readouterr().out)
    assert (result["frames"], result["mismatches"], result["accuracy"]) == (5, 1, None)


def test_the_command_compares_scores(
    network: Network, oracle: Oracle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def shift(number: int, reply: Message) -> bytes:
        """Return the reply with all scores higher by 1, and the same class."""
        if reply.kind != Kind.RESULT:
            return pack(reply)
        right = Result.unpack(reply.payload, info_of(network))
        return pack(replace(reply, payload=Result((right.numbers[0] + 1, right.numbers[1])).pack(info_of(network))))

    save_network(network, tmp_path / "net.xnf")
    np.save(tmp_path / "frames.npy", random_frames(network, 5).astype(np.uint8))
    args = ["--net", str(tmp_path / "net.xnf"), "--input", str(tmp_path / "frames.npy")]
    with port_of(ModelDevice(oracle, shift)) as port, pytest.raises(SystemExit) as stop:
        main(["run", "--port", port, *args])
    assert stop.value.code == 1
    printed = capfd.readouterr().out
    assert "5 answers differ from the reference, 5 of them in their scores" in printed


def test_the_command_tells_the_line_and_the_network_apart(
    network: Network, oracle: Oracle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_network(network, tmp_path / "net.xnf")
    np.save(tmp_path / "frames.npy", random_frames(network, 5).astype(np.uint8))
    args = ["--net", str(tmp_path / "net.xnf"), "--input", str(tmp_path / "frames.npy"), "--clock-mhz", "24"]
    with port_of(ModelDevice(oracle)) as port:
        for options in ([], ["--json"]):
            with pytest.raises(SystemExit) as stop:
                main(["run", "--port", port, *args, *options])
            assert not stop.value.code
    line, alone, *rest = capfd.readouterr().out.splitlines()
    result = json.loads("".join(rest))
    timing = timing_of(network, Clock(24.0, note="as given, not built"))
    assert (result["frames"], result["mismatches"], result["timing"]) == (5, 0, timing.to_json())
    assert re.fullmatch(
        r"5 frames in \d+\.\d s over the line \([\d,]+ a second\), 0 answers differ from the reference", line
    )
    assert alone == f"the network alone: {timing}"


def test_the_command_compares_every_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = map_network("class", scores=False)
    oracle = Oracle(board_outputs(network))

    def change_one(number: int, reply: Message) -> bytes:
        if number not in (2, 4):
            return pack(reply)
        right = Result.unpack(reply.payload, oracle.info)
        changed = [numbers.copy() for numbers in right.numbers]
        changed[1 if number == 2 else 0][7] ^= 1
        return pack(replace(reply, payload=Result(tuple(changed)).pack(oracle.info)))

    save_network(network, tmp_path / "net.xnf")
    np.save(tmp_path / "frames.npy", random_frames(network, 5).astype(np.uint8))
    args = ["--net", str(tmp_path / "net.xnf"), "--input", str(tmp_path / "frames.npy"), "--json"]
    with port_of(ModelDevice(oracle, change_one)) as port, pytest.raises(SystemExit) as stop:
        main(["run", "--port", port, *args])
    assert stop.value.code == 1
    result = json.loads(capfd.readouterr().out)
    assert (result["mismatches"], result["score_mismatches"]) == (2, 1)
    with port_of(ModelDevice(Oracle(network))) as port, pytest.raises(SystemExit) as stop:
        main(["run", "--port", port, *args])
    assert stop.value.code == 2
    assert capfd.readouterr().err.strip().splitlines()[-1] == (
        "error: Outputs of the board must be those of network 'map-class' (60 scores, 20 class), not 20 class"
    )
