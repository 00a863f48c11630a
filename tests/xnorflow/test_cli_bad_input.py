"""Bad input on the command line: one sentence, exit code 2, and no file is changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Fifo, Integer, Network, Stream, Terminal, WidthConverter, save_network
from dataflow.families import FAMILIES
from sim_tests.cases import dense_network
from tests.xnorflow.command_line import run
from xnorflow import console

BAD = [
    (("show", "no.xnf"), "Network file must exist, not 'no.xnf'"),
    (
        ("show", "no-such-model"),
        "Model must be a file, a folder with model.onnx or one of cnv-mnist-small, cnv-w1a1, cnv-w1a2, resnet20-w1a1, "
        "sfc-w1a1, tfc-w1a1, not 'no-such-model'",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 12, "--interval-slack", "-5%"),
        "Interval slack must be a percentage of at least 0, such as 5%, not '-5%'",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 12, "--interval-slack", "0.05"),
        "Interval slack must be a percentage of at least 0, such as 5%, not '0.05'",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 12, "--interval-slack", "5%", "--fifos", "full"),
        "Interval slack must be given with --fifos auto, not with full",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 12, "--fifos", "small"),
        "FIFOs (--fifos) must be auto or full, not 'small'",
    ),
    (("fold", "NET", "-o", "OUT.xnf"), "Folding target must be one of --fps, --interval, --config, --board, not none"),
    (("verilog", "NET", "-o", "OUT", "--files", "two"), "Files (--files) must be one or split, not 'two'"),
    (("verilog", "NET", "-o", "OUT", "--reset", "low"), "Reset must be active-high or active-low, not 'low'"),
    (("verilog", "NET", "-o", "OUT", "--frames", 0), "Frames must be at least 1, not 0"),
    (("verilog", "NET", "-o", "OUT", "--seed", -1), "Seed of random frames must be at least 0, not -1"),
    (("verilog", "NET", "-o", "OUT", "--clock-mhz", 0), "Clock (--clock-mhz) must be positive, not 0.0"),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 3, "--fps", 10),
        "Folding target must be one of --fps, --interval, --config, --board, not --fps and --interval",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--fps", 10),
        "Clock (--clock-mhz) or board (--board) must be given with --fps, not left out",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--fps", 1e9, "--clock-mhz", 10),
        "Frames per second must be at most 10,000,000 at 10.0 MHz, not 1,000,000,000",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--fps", "nan", "--clock-mhz", 10),
        "Frames per second and clock must be positive, not nan and 10.0",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--fps", 10, "--clock-mhz", "inf"),
        "Clock (--clock-mhz) must be positive, not inf",
    ),
    (("lower", "tfc-w1a1", "-o", "."), "Network file '.' must be writable, not: Is a directory"),
    (("lower", "tfc-w1a1", "-o", "net.onnx"), "Network file must end in .xnf, not 'net.onnx'"),
    (("fold", "NET", "-o", "net.toml", "--interval", 9), "Network file must end in .xnf, not 'net.toml'"),
    (("simulate", "NET", "--outputs", "x.csv"), "Outputs file must end in .npz, not 'x.csv'"),
    (("report", "NET", "-o", "net.pdf"), "Report file must end in .html or .htm, not 'net.pdf'"),
    (("simulate", "NET", "--outputs", "."), "Outputs file '.' must be writable, not: Is a directory"),
    (
        ("simulate", "NET", "--outputs", "none/x.npz"),
        "Outputs file 'none/x.npz' must be writable, not: No such file or directory",
    ),
    (("simulate", "NET", "--trace", "run.txt"), "Trace file must end in .vcd or .json, not 'run.txt'"),
    (
        ("simulate", "NET", "--trace", "OUT/run.vcd"),
        "Trace file 'OUT/run.vcd' must be writable, not: No such file or directory",
    ),
    (
        ("simulate", "NET", "--trace", "OUT/run.json", "--outputs", "OUT"),
        "Trace file 'OUT/run.json' must be writable, not: No such file or directory",
    ),
    (("simulate", "NET", "--diagram", "--trace-frames", 0), "Traced frames must be at least 1, not 0"),
    (("simulate", "NET", "--seed", -1), "Seed of random frames must be at least 0, not -1"),
    (("simulate", "NET", "--stalls", -1), "Seed of stalls must be at least 0, not -1"),
    (("fold", "NET", "-o", "OUT.xnf", "--interval", 0), "Interval must be at least 1, not 0"),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--interval", 9, "--utilization", 0.5),
        "Utilization must be given with --board alone, not with --interval",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--board", "icebreaker", "--utilization", 1.5),
        "Utilization must be above 0 and at most 1, not 1.5",
    ),
    (
        ("fold", "NET", "-o", "OUT.xnf", "--board", "icebreaker", "--family", "ecp5"),
        "Device family of board 'icebreaker' must be ice40, not 'ecp5'",
    ),
    (
        ("bitstream", "NET", "-o", "OUT"),
        "Board (--board) must be given for a network that was not folded for one, not left out",
    ),
    (
        ("bitstream", "NET", "--board", "icebreaker", "-o", "OUT", "--seeds", "0"),
        "Seeds must be at least 1, not 0",
    ),
    (
        ("bitstream", "NET", "--board", "icebreaker", "-o", "net.bin"),
        "Output of a bitstream must be a folder, for the file and its reports, not 'net.bin'",
    ),
    (("show", "NET", "--family", "virtex"), "Device family must be one of ice40, ecp5, gowin, xilinx7, not 'virtex'"),
    (("simulate", "NET", "--frames", 0), "Frames must be at least 1, not 0"),
    (("simulate", "NET", "--input", "no.npy"), "File 'no.npy' must be usable, not: No such file or directory"),
    (
        ("simulate", "NET", "--input", "x.npy", "--dataset", "mnist"),
        "Frames must come from --dataset or --input, not both",
    ),
    (
        ("verify", "NET", "--family", "virtex"),
        "Device family must be one of ice40, ecp5, gowin, xilinx7, not 'virtex'",
    ),
    (("verify", "NET", "--level", "netlists"), "Level must be rtl, not 'netlists'"),
    (
        ("bitstream", "NET", "--board", "icebraker", "-o", "OUT"),
        "Board must be one of icebreaker, ulx3s-85f, not 'icebraker' (did you mean 'icebreaker'?)",
    ),
    (
        ("report", "NET", "-o", "OUT/r.html"),
        "Report file 'OUT/r.html' must be writable, not: No such file or directory",
    ),
    (("report", "NET", "NET", "NET", "-o", "OUT.html"), "Networks of a report must be one or two, not 3"),
    (("report", "NET", "-o", "OUT.html", "--frames", 0), "Frames of the diagrams must be at least 1, not 0"),
    (("report", "NET", "-o", "OUT.html", "--family", "x"), "Device family must be one of FAMILIES, not 'x'"),
    (("report", "NET", "-o", "OUT.html", "--clock-mhz", 0), "Clock (--clock-mhz) must be positive, not 0.0"),
    (
        ("report", "NET", "-o", "OUT.html", "--build", "none"),
        "Build folder 'none' must hold bitstream.json of xnorflow bitstream, not none",
    ),
    (("method", "check"), "Missing argument 'METHOD'."),
    (("method", "chek", "bnn"), "No such command 'chek'. Did you mean 'check'?"),
    (("nonsense",), "No such command 'nonsense'."),
    (("show",), "Missing argument 'NET'."),
]


@pytest.mark.parametrize(("args", "message"), BAD, ids=[" ".join(map(str, args)) for args, _ in BAD])
def test_bad_input_is_one_sentence(
    args: tuple[object, ...], message: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    named = {"NET": str(net), "OUT": str(out), "OUT.xnf": f"{out}.xnf", "OUT.html": f"{out}.html"}

    def with_paths(text: str) -> str:
        return "/".join(named.get(part, part) for part in text.split("/"))

    assert run(*(with_paths(str(arg)) for arg in args)) == 2
    captured = capfd.readouterr()
    assert captured.err == f"error: {message}\n".replace("OUT", str(out)).replace("FAMILIES", ", ".join(FAMILIES))
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == [net]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 12), bool), "Input 'FILE' must hold integers or floats, not bool"),
        (
            np.zeros((2, 13), np.uint8),
            "Frames of network 'dense-12-6-4' must have shape (frames, 12), not (2, 13)",
        ),
        (
            np.full((2, 12), 256),
            "Frames of network 'dense-12-6-4' must be within 0 to 255 (uint8), not 256 to 256",
        ),
        (np.array([None]), "Input 'FILE' must be a complete .npy file of numbers, not another file"),
    ],
    ids=["flags", "size", "range", "objects"],
)
def test_bad_frames(
    array: np.ndarray, message: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npy"
    np.save(path, array)
    assert run("simulate", net, "--input", path, "--outputs", tmp_path / "out.npz") == 2
    assert capfd.readouterr().err == f"error: {message}\n".replace("FILE", str(path))
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[nodes.fc]\npe = 2",
            "Folded node of network 'dense-12-6-4' must be one of arg_max, binarize, fc0, fc1, "
            "not 'fc' (did you mean 'fc1'?)",
        ),
        ("[nodes.fc0]\npe = 7", "pe of node 'fc0' must be 1 to 6, the number of its neurons, not 7"),
        ("[nodes.fc0]\npe = 0", "pe of node 'fc0' must be a positive integer, not 0"),
        ("[nodes.fc0]\nlanes = 2", "Folding of node 'fc0' (MatrixVector) must name pe, simd, not 'lanes'"),
        ('[fifos]\n"input -> binarize" = 0', "Depth of FIFO 'input -> binarize' must be a positive integer, not 0"),
        (
            '[fifos]\n"fc0->fc1" = 2',
            "FIFO must be one of arg_max -> class, binarize -> fc0, fc0 -> fc1, fc1 -> arg_max, input -> binarize, "
            "not 'fc0->fc1' (did you mean 'fc0 -> fc1'?)",
        ),
        (
            "[fifo]",
            "Folding file 'FILE' must have the tables nodes, fifos and memories, and pipelined before them, not 'fifo'",
        ),
        (
            '[memories]\nfc0 = "disk"',
            "Table memories of 'FILE' must have auto, block or luts per node, not {'fc0': 'disk'}",
        ),
        (
            '[memories]\nfc9 = "block"',
            "Node of a memory of network 'dense-12-6-4' must be one of arg_max, binarize, fc0, fc1, "
            "not 'fc9' (did you mean 'fc1'?)",
        ),
        ("pipelined = 1", "pipelined of 'FILE' must be true or false, not 1"),
        ("a = " + "[" * 3000, "Folding file 'FILE' must have tables of numbers, not deeply nested values"),
        ("nodes = 3", "Table nodes of 'FILE' must have a table per node, not 3"),
        ("fifos = 3", "Table fifos of 'FILE' must have a depth per FIFO, not 3"),
        (
            f'[fifos]\n"fc0 -> fc1" = {2**31}\n"input -> binarize" = 1\n"binarize -> fc0" = 1\n"fc1 -> arg_max" = 1\n'
            '"arg_max -> class" = 1',
            f"Places of all FIFOs of network 'dense-12-6-4' must be fewer than 2**31, not {2**31 + 4:,}",
        ),
    ],
)
def test_bad_folding_files(
    text: str, message: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "fold.toml"
    config.write_text(text)
    assert run("fold", net, "-o", tmp_path / "out.xnf", "--config", config) == 2
    assert capfd.readouterr().err == f"error: {message}\n".replace("FILE", str(config))
    assert not (tmp_path / "out.xnf").exists()


def test_a_file_in_place_of_the_folder_of_a_package(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("verilog", net, "-o", net) == 2
    assert capfd.readouterr().err == f"error: Output folder {str(net)!r} must be a folder, not a file\n"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "Network file '.' must be writable, not: Is a directory"),
        ("folder.xnf", "Network file 'folder.xnf' must be writable, not: Is a directory"),
        ("a.xnf", "Folding file 'a.toml' must be writable, not: Is a directory"),
        ("file/a.xnf", "Network file 'file/a.xnf' must be writable, not: Not a directory"),
    ],
)
def test_bad_places_for_a_folded_network(
    output: str,
    message: str,
    net: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.xnf").mkdir()
    Path("a.toml").mkdir()
    Path("file").write_text("")
    assert run("fold", net, "-o", output, "--interval", 72) == 2
    assert capfd.readouterr().err == f"error: {message}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.toml", "file", "folder.xnf", net.name])


def test_a_network_that_predicts_nothing_leaves_no_trace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream = Stream(Integer(4), (5,), 2)
    node = WidthConverter("one", Integer(4), (5,), 2, 3)
    ends = Terminal("in", stream), Terminal("out", node.output_streams[0])
    fifos = Fifo("in", "one"), Fifo("one", "out")
    save_network(Network("net", (node,), fifos, ends[:1], ends[1:]), tmp_path / "net.xnf")
    assert run("simulate", tmp_path / "net.xnf", "--frames", 2, "--trace", tmp_path / "run.vcd") == 2
    message = "Network 'net' must have scores, an ArgMax or bits to predict, not none of them"
    assert capfd.readouterr().err == f"error: {message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["net.xnf"]


def test_tables_off_a_terminal_are_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = "a_layer_with_a_name_as_long_as_those_that_exporters_give_to_layers_of_residual_networks"
    console.print_table(console.table_of("long", ("node", "kind", "pe"), [(name, name, 1), (name, name, "-")]))
    lines = capfd.readouterr().out.splitlines()
    assert [line.count(name) for line in lines[4:6]] == [2, 2]
    assert lines[4].endswith("│  1 │")
    assert lines[5].endswith("│  - │")


def test_names_are_no_markup(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_network(replace(dense_network((12, 6, 4)), name="[/]"), tmp_path / "net.xnf")
    assert run("show", tmp_path / "net.xnf") == 0
    assert "\n[/], estimated for ecp5" in capfd.readouterr().out


def test_more_than_the_memory_is_one_sentence(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 10**15) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: Memory must be enough for what is asked, not run out: ")
    assert error.count("\n") == 1
