"""The testbench of a package: it passes, in every simulator, and a wrong word or a wrong core makes it fail."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import dataflow
from dataflow import MatrixVector, Network
from hwsim.reference import evaluate
from rtl.verilog_files import verilog
from sim_tests.cases import random_frames
from tests.xnorflow.packages import FRAMES, network_of, package, run_testbench
from xnorflow.folding import fold_to
from xnorflow.networks import open_network
from xnorflow.package import package_of, write_folder

pytestmark = [pytest.mark.sim, pytest.mark.long]


@pytest.mark.parametrize(
    ("name", "files", "reset"),
    [
        ("smallest", "one", "active-high"),  # frames of one beat
        ("parallel", "one", "active-low"),  # a beat of many bytes
        ("ragged", "split", "active-high"),
        ("both", "split", "active-low"),  # two outputs
        ("inert-neighbours", "one", "active-high"),  # lanes without a number, in which the testbench sends garbage
        ("bits", "one", "active-high"),
        ("heads-mixed", "split", "active-high"),  # images and vectors side by side
        pytest.param("map-positions-inert", "one", "active-low", marks=pytest.mark.slow),
        pytest.param("signs", "split", "active-high", marks=pytest.mark.slow),
        pytest.param("wide", "one", "active-low", marks=pytest.mark.slow),
        pytest.param("shallow", "split", "active-low", marks=pytest.mark.slow),
        pytest.param("integer-weights", "one", "active-high", marks=pytest.mark.slow),
        pytest.param("image", "split", "active-low", marks=pytest.mark.slow),
        pytest.param("stacked-integers-inert", "one", "active-high", marks=pytest.mark.slow),
    ],
)
def test_package_passes_in_icarus(name: str, files: str, reset: str, tmp_path: Path) -> None:
    network = network_of(name)
    facts = package(name, tmp_path / "p", files=files, reset=reset).facts
    ended = run_testbench(tmp_path / "p", "icarus")
    assert ended.passed
    beats = FRAMES * sum(end.stream.beats for end in network.outputs)
    assert int(re.search(r"^PASSED: (\d+) beats compared", ended.output, re.MULTILINE)[1]) >= 2 * beats
    assert f"latency {facts['timing']['latency']} cycles" in ended.output
    assert "Run 2, wrong tlast: frame_error 1" in ended.output


@pytest.mark.slow
def test_package_passes_in_verilator_and_sees_a_wrong_word(tmp_path: Path) -> None:
    package("both", tmp_path / "p", files="split", reset="active-low")
    assert run_testbench(tmp_path / "p", "verilator").passed
    spoil(tmp_path / "p" / "sim" / "expected_1.hex", 2)
    assert not run_testbench(tmp_path / "p", "verilator", compile=False).passed


def test_name_that_verilog_reserves(tmp_path: Path) -> None:
    network = replace(network_of("scores"), name="module")
    write_folder(tmp_path / "p", package_of(network, random_frames(network, FRAMES)).files)
    assert run_testbench(tmp_path / "p", "icarus").passed


def test_one_file_and_several_run_alike(tmp_path: Path) -> None:
    outputs = []
    for files in ("one", "split"):
        package("both", tmp_path / files, files=files)
        outputs.append(run_testbench(tmp_path / files, "icarus"))
    assert outputs[0] == outputs[1]
    assert outputs[0].passed


@pytest.mark.parametrize(
    "simulator",
    ["icarus", pytest.param("verilator", marks=pytest.mark.slow)],
)
def test_package_of_tfc(simulator: str, tmp_path: Path) -> None:
    network = fold_to(open_network("tfc-w1a1"), 784)
    package = package_of(network, random_frames(network, FRAMES), files="split")
    write_folder(tmp_path / "p", package.files)
    ended = run_testbench(tmp_path / "p", simulator)
    assert ended.passed
    timing = package.facts["timing"]
    assert f"latency {timing['latency']} cycles, interval {timing['interval']} cycles" in ended.output


def spoil(path: Path, line: int) -> None:
    """Change the lowest bit of a word in a file of vectors."""
    lines = path.read_text().splitlines()
    digits = len(lines[line])
    lines[line] = f"{int(lines[line], 16) ^ 1:0{digits}x}"
    path.write_text("".join(f"{each}\n" for each in lines))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (
            "expected_0.hex",
            "MISMATCH scores, frame 1, beat 1, cycle [0-9]+: tdata must be .. and tlast 0, not .. and 0",
        ),
        ("cycles_0.hex", "MISMATCH scores, frame 1, beat 1: cycle must be [0-9]+, not [0-9]+"),
    ],
)
def test_wrong_word_is_found(file: str, sentence: str, tmp_path: Path) -> None:
    package("both", tmp_path / "p")
    spoil(tmp_path / "p" / "sim" / file, 5)
    ended = run_testbench(tmp_path / "p", "icarus")
    assert not ended.passed
    assert re.search(f"^{sentence}$", ended.output, re.MULTILINE)


def test_wrong_frame_is_found(tmp_path: Path) -> None:
    network = network_of("both")
    package("both", tmp_path / "p")
    other = package_of(network, 255 - random_frames(network, FRAMES))
    (tmp_path / "p" / "sim" / "sent_0.hex").write_text(other.files["sim/sent_0.hex"])
    assert not run_testbench(tmp_path / "p", "icarus").passed


def test_missing_vectors_are_found(tmp_path: Path) -> None:
    package("both", tmp_path / "p")
    (tmp_path / "p" / "sim" / "expected_1.hex").unlink()
    assert not run_testbench(tmp_path / "p", "icarus").passed


def with_core(folder: Path, text: str) -> Path:
    """Replace the core of a package that has one file."""
    (file,) = (folder / "rtl").iterdir()
    file.write_text(text)
    return folder


def test_wrong_weight_is_found(tmp_path: Path) -> None:
    network = network_of("both")
    package("both", tmp_path / "p")
    other = with_wrong_weight(network, random_frames(network, FRAMES))
    ended = run_testbench(with_core(tmp_path / "p", verilog(other)), "icarus")
    assert not ended.passed
    assert "tdata must be" in ended.output


def with_wrong_weight(network: Network, frames: np.ndarray) -> Network:
    """Return the network with one weight of the last matrix inverted."""
    layer = next(node for node in reversed(network.nodes) if isinstance(node, MatrixVector))
    weights = layer.weights.copy()
    weights[0, 0] *= -1
    nodes = tuple(replace(node, weights=weights) if node is layer else node for node in network.nodes)
    other = replace(network, nodes=nodes)
    scores = network.fifos_into("scores")[0].name
    assert (evaluate(other, frames)[scores] != evaluate(network, frames)[scores]).any()
    return other


def test_core_with_right_values_at_other_times_is_found(tmp_path: Path) -> None:
    network = network_of("both")
    package("both", tmp_path / "p")
    slower = dataflow.fold(network, {"fc1": {"pe": 1, "simd": 1}})
    ended = run_testbench(with_core(tmp_path / "p", verilog(slower)), "icarus")
    assert not ended.passed
    assert "cycle must be" in ended.output
    assert "tdata must be" not in ended.output
    assert "MISMATCH latency of the first frame: must be" in ended.output


#: Faults of a core: statements about the ports, where ``w`` is the core without the fault, and what the testbench says.
FAULTS = {
    "a word changes while it waits": (
        "assign m_axis_tdata = w_tdata ^ (waited ? 8'd1 : 8'd0);",
        "cycle [0-9]+: a beat must stay until it is taken, not change",
    ),
    "a beat is withdrawn": (
        "assign m_axis_tvalid = w_tvalid && !waited; assign w_ready = m_axis_tready && !waited;",
        "cycle [0-9]+: a beat must stay until it is taken, not change",
    ),
    "beats come without end": (
        "assign m_axis_tvalid = w_tvalid || beats == 4;",
        "cycle [0-9]+: one beat more than the 4 of all frames",
    ),
    "tlast is lost": ("assign m_axis_tlast = 1'b0;", "frames must be 4, not 0"),
    "nothing is accepted": ("assign s_axis_tready = 1'b0; assign w_valid = 1'b0;", "no beat has moved"),
    "an unknown bit": ("assign m_axis_tdata = {w_tdata[7:1], 1'bx};", "tdata must be .. and tlast 1, not .[xX] and 1"),
    "no frame_error": ("assign frame_error = 1'b0;", "frame_error: must be 1 after a wrong tlast, not 0"),
    "frame_error without a reason": ("assign frame_error = 1'b1;", "frame_error: must be 0, not 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_core_are_found(fault: str, tmp_path: Path) -> None:
    network = network_of("ragged")
    (output,) = network.outputs
    assert output.stream.beats == 1
    statements, sentence = FAULTS[fault]
    package("ragged", tmp_path / "p")
    ended = run_testbench(with_core(tmp_path / "p", faulty(network, statements)), "icarus")
    assert not ended.passed
    assert re.search(sentence, ended.output)


def test_wrapper_without_a_fault_passes(tmp_path: Path) -> None:
    package("ragged", tmp_path / "p")
    assert run_testbench(with_core(tmp_path / "p", faulty(network_of("ragged"), "")), "icarus").passed


@cache
def whole() -> str:
    """Return the Verilog inside the wrapper."""
    return verilog(replace(network_of("ragged"), name="whole"))


def faulty(network: Network, statements: str) -> str:
    """Return a core inside a wrapper that changes its ports by these statements, and connects all others."""
    top = network.name.replace("-", "_")
    wires = {
        "m_axis_tdata": "w_tdata",
        "m_axis_tvalid": "w_tvalid",
        "m_axis_tlast": "w_tlast",
        "s_axis_tready": "w_tready",
        "frame_error": "w_error",
        "w_ready": "m_axis_tready",
        "w_valid": "s_axis_tvalid",
    }
    assigns = [f"assign {left} = {right};" for left, right in wires.items() if f"assign {left} =" not in statements]
    bits = -(-network.inputs[0].stream.width // 8) * 8
    return whole() + "\n".join(
        [
            f"module {top}(input clk, input rst, input [{bits - 1}:0] s_axis_tdata, input s_axis_tvalid,",
            "output s_axis_tready, input s_axis_tlast, output [7:0] m_axis_tdata, output m_axis_tvalid,",
            "input m_axis_tready, output m_axis_tlast, output frame_error);",
            "wire [7:0] w_tdata; wire w_tvalid, w_tlast, w_tready, w_error, w_ready, w_valid;",
            "reg waited = 0; reg [2:0] beats = 0;",
            "always @(posedge clk) begin waited <= !rst && w_tvalid && !m_axis_tready;",
            "beats <= rst ? 0 : beats + (w_tvalid && m_axis_tready && beats != 4); end",
            "whole whole(.clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(w_valid),",
            ".s_axis_tready(w_tready), .s_axis_tlast(s_axis_tlast), .m_axis_tdata(w_tdata),",
            ".m_axis_tvalid(w_tvalid), .m_axis_tready(w_ready), .m_axis_tlast(w_tlast), .frame_error(w_error));",
            statements,
            *assigns,
            "endmodule",
            "",
        ]
    )
