"""Verilog: reproducible, written completely or not at all, with the names that testbenches use."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import dataflow
import rtl
from dataflow import Network
from sim_tests.cases import CASES, dense_network
from sim_tests.conv_cases import conv_network

pytestmark = pytest.mark.long

NAMES = ("i__valid", "i__payload", "o__valid", "o__ready", "o__payload")


def module(text: str, name: str) -> str:
    """Return the text of a module."""
    found = re.search(rf"^module \\?{re.escape(name)} ?\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[0]


@cache
def text_of(name: str) -> tuple[Network, str]:
    """Return a case and its Verilog."""
    network = next(case for case in CASES if case.name == name).network()
    return network, rtl.verilog(network)


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_every_case(tmp_path, name) -> None:
    network, text = text_of(name)
    assert_fifos_keep_the_names_that_testbenches_read(network, text)
    assert not re.search(r"^ *(wire|reg) .*\\\S+\[\d+\] ", text, re.MULTILINE)  # no name like a bit of another's
    assert "[-1:0]" not in text
    assert_no_path_and_no_date(text)
    if shutil.which("iverilog"):
        assert_icarus_has_no_warning(network, text, tmp_path)


def assert_fifos_keep_the_names_that_testbenches_read(network: Network, text: str) -> None:
    top = rtl.top_name(network)
    for fifo in rtl.fifo_names(network).values():
        body = module(text, f"{top}.core.{fifo}")
        assert re.search(rf"\\{top}\.core\.{fifo} +{fifo} \(", module(text, f"{top}.core"))
        for signal in NAMES:
            assert re.search(rf"^ +(wire|reg) (\[\d+:0\] )?{signal}\b", body, re.MULTILINE), signal


def assert_no_path_and_no_date(text: str) -> None:
    assert "src =" not in text
    assert str(Path.cwd()) not in text
    assert str(Path(rtl.__file__).parent) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", text)


def assert_icarus_has_no_warning(network: Network, text: str, folder: Path) -> None:
    source = folder / "top.v"
    source.write_text(text)
    command = ["iverilog", "-g2012", "-Wall", "-s", rtl.top_name(network), "-o", str(folder / "top"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_window_s_text_does_not_grow_with_the_image() -> None:
    def lines(size: int) -> int:
        text = rtl.verilog(conv_network((size, size, 64), (4,), padding=(1, 1, 1, 1)))
        assert not re.search(r"^ *(wire|reg) .*\\\S+\[\d+\] ", text, re.MULTILINE)
        buffer = module(text, re.search(r"^module \\?(\S*conv0_window\.buffer)", text, re.MULTILINE)[1])
        return sum("memory[" not in line for line in buffer.splitlines())

    assert lines(32) == pytest.approx(lines(16), rel=0.1)


def test_the_head_tells_of_inert_lanes() -> None:
    header = text_of("inert-neighbours")[1].split("\n\n")[0]
    assert "//   input: uint8 13, 6 at once; beats per frame: 3; 0 in the last 5 lanes of every beat number 3" in header
    assert "0 in the last" not in text_of("ragged")[1].split("\n\n")[0]


def test_text_does_not_depend_on_the_process() -> None:
    network, text = text_of("ragged")
    code = (
        "import sys, rtl; from sim_tests.cases import CASES;"
        "sys.stdout.write(rtl.verilog(next(c for c in CASES if c.name == 'ragged').network()))"
    )
    environment = {"PYTHONHASHSEED": "7", "PATH": ""}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout == text
    assert rtl.verilog(network) == text


def test_header_tells_ports_streams_and_times() -> None:
    header = text_of("both")[1].partition("\n\n")[0].splitlines()
    assert all(line.startswith("//") for line in header)
    assert "//   s_axis_tdata (8): in" in header
    assert "//   m_axis_scores_tready (1): in" in header
    assert "//   frame_error (1): out" in header
    assert "//   scores: int4 4, 1 at once; beats per frame: 4" in header
    assert "// Cycles between frames, if the FIFOs are deep enough: 12" in header
    assert "//   fc0: 6, 4" in header
    assert "//   fc0.width -> fc0: 6, 4, core.fifo_2" in header


def test_reset_at_level_0_reaches_every_register() -> None:
    network = text_of("smallest")[0]
    text = rtl.verilog(network, reset="active-low")
    assert "//   aclk (1), aresetn (1): clock, and synchronous reset, active low\n" in text
    assert "//   aclk (1): in" not in text
    assert "assign rst = ~ aresetn;" in module(text, rtl.top_name(network))
    assert not re.search(r"\bclk\b", text)
    assert not re.search(r"(pos|neg)edge (?!aclk\))", text)


def test_divided_text_has_each_module_once_and_the_top_first() -> None:
    network, text = text_of("smallest")
    files = rtl.divided(text)
    top = rtl.top_name(network)
    assert next(iter(files)) == f"{top}.v"
    assert files[f"{top}.v"].startswith(text.partition("\n\n")[0])
    assert files[f"{top}_fifo_0.v"].startswith(f"// fifo_0: a component of {top}\n\nmodule ")
    modules = [re.findall(r"^module .*?^endmodule", each, re.MULTILINE | re.DOTALL) for each in files.values()]
    whole = re.findall(r"^module .*?^endmodule", text, re.MULTILINE | re.DOTALL)
    assert sorted(each for found in modules for each in found) == sorted(whole)


def test_name_of_the_network_cannot_end_the_comment() -> None:
    network = replace(dense_network((4, 2, 2)), name="first\u2028module bad;")  # a line separator, to Python
    assert rtl.verilog(network).startswith("// first module bad;: a binary")


@pytest.mark.parametrize(("name", "top"), [("dense-4-2", "dense_4_2"), ("tfc w1a1", "tfc_w1a1"), ("8bit", "net_8bit")])
def test_top_module_is_called_after_the_network(name, top) -> None:
    network = replace(dense_network((4, 2, 2)), name=name)
    assert rtl.top_name(network) == top
    assert f"\nmodule {top}(" in rtl.verilog(network)


def test_file_is_written_whole(tmp_path) -> None:
    network, text = text_of("smallest")
    path = rtl.write_verilog(network, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "dense_1_1_1.v"
    assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_folder_that_cannot_be_written_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    sentence = rf"^Output folder '{re.escape(str(tmp_path / 'file'))}' must be a folder, not a file$"
    with pytest.raises(dataflow.InputError, match=sentence):
        rtl.write_verilog(dense_network((4, 2, 2)), tmp_path / "file")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file"]
