"""The command line: exit codes, one-line errors, JSON keys, nothing half-written."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Cost, Fifo, Integer, Network, Stream, Terminal, Threshold, expose_scores, fold, save_network
from dataflow.families import FAMILIES
from hwsim import predict, simulate
from quant.datasets import load
from sim_tests.cases import CASES, dense_network
from sim_tests.conv_cases import conv_network
from xnorflow import console
from xnorflow.__main__ import main
from xnorflow.networks import open_network
from xnorflow.timing import timing_of


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.xnf"
    save_network(dense_network((12, 6, 4)), path)
    return path


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return int(stop.value.code or 0)


def test_help_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from xnorflow.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'numba', 'amaranth', 'onnx', 'cocotb', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == "xnorflow 0.1.0\n"


def test_show_json(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", net, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["interval"] == 82  # the FIFOs are not deep enough for the 72 steps of fc0
    assert {"name", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams"} <= set(result["nodes"][0])
    assert set(result["estimate"]) == {"luts", "ffs", "brams", "dsps"}
    assert [node["cycles"] for node in result["nodes"]] == [12, 72, 24, 4]
    assert result["timing"]["interval"] == 82
    assert (result["timing"]["clock_mhz"], result["timing"]["clock"]) == (100.0, "assumed")


@pytest.mark.parametrize("command", ["show", "simulate"])
def test_latency_and_interval_at_a_clock(command: str, net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command, net, "--clock-mhz", 24, "--json") == 0
    captured = capfd.readouterr()
    timing = json.loads(captured.out)["timing"]
    assert timing["latency"] > timing["interval"] == 82
    assert captured.err.splitlines()[-1] == (
        f"latency {timing['latency']} cycles ({timing['latency'] / 24:.2f} us from first beat in to last beat out), "
        "interval 82 cycles (292,683 frames per second) at 24 MHz (as given, not built)"
    )


def test_fold_to_interval(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "folded.xnf"
    assert run("fold", net, "-o", out, "--interval", 12, "--json") == 0
    assert json.loads(capsys.readouterr().out)["interval"] <= 12
    assert run("simulate", out, "--frames", 50, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cycles"]["interval"] <= 12


def test_a_target_that_cannot_be_reached_gives_the_nearest(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_network(conv_network((6, 6, 3), (4,), integers=True), tmp_path / "conv.xnf")
    out = tmp_path / "f.xnf"
    assert run("fold", tmp_path / "conv.xnf", "-o", out, "--interval", 5, "--json") == 1
    printed = capfd.readouterr()
    assert json.loads(printed.out)["interval"] == 36
    assert printed.err.splitlines()[-1] == (
        "error: Interval must be at least 36 for node 'conv0.window', not 5. "
        f"The nearest that there is, interval 36, is in {out}"
    )
    assert run("fold", tmp_path / "conv.xnf", "-o", out, "--fps", 1e6, "--clock-mhz", 10) == 1
    assert "not 10: 1,000,000 frames per second need a clock of 36.0 MHz. The nearest" in capfd.readouterr().err
    assert run("show", out) == 0


def test_a_network_that_no_board_holds_gives_the_smallest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((784, 512, 512, 10)), tmp_path / "big.xnf")
    out = tmp_path / "f.xnf"
    assert run("fold", tmp_path / "big.xnf", "-o", out, "--board", "icebreaker") == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"error: Network 'dense-784-512-512-10' must fit icebreaker with 4,224 cells, 30 block RAMs and 8 DSPs, "
        r"not need [\d,]+ cells, \d{3} block RAMs and 0 DSPs\. The nearest that there is, interval \d+, is in .*",
        error,
    )
    assert out.exists()


def test_fold_for_a_board_fits_it(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((196, 64, 10)), tmp_path / "net.xnf")
    intervals = []
    for part in (0.3, 0.6):
        out = tmp_path / "f.xnf"
        assert run("fold", tmp_path / "net.xnf", "-o", out, "--board", "icebreaker", "--utilization", part) == 0
        capsys.readouterr()
        assert run("show", out, "--board", "icebreaker", "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert Cost(**result["estimate"]).cells("ice40") <= part * 5280
        assert result["estimate"]["brams"] <= 30
        intervals.append(result["interval"])
    assert intervals[0] > intervals[1]


def test_the_folding_is_written_and_can_be_given_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfolded = dense_network((12, 6, 4))
    nodes = tuple(replace(node, name='a."b" c') if node.name == "fc0" else node for node in unfolded.nodes)
    fifos = tuple(
        replace(fifo, **{end: 'a."b" c' for end in ("source", "target") if getattr(fifo, end) == "fc0"})
        for fifo in unfolded.fifos
    )
    save_network(replace(unfolded, nodes=nodes, fifos=fifos), tmp_path / "net.xnf")
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "once.xnf", "--interval", 12) == 0
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "again.xnf", "--config", tmp_path / "once.toml") == 0
    assert (tmp_path / "once.xnf").read_bytes() == (tmp_path / "again.xnf").read_bytes()
    assert (tmp_path / "once.toml").read_bytes() == (tmp_path / "again.toml").read_bytes()
    text = (tmp_path / "once.toml").read_text()
    assert '[nodes."a.\\"b\\" c"]' in text
    (tmp_path / "same.toml").write_text(text + "# mine\n")
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "same.xnf", "--config", tmp_path / "same.toml") == 0
    assert (tmp_path / "same.toml").read_text().endswith("# mine\n")


def test_show_tells_what_the_weight_memories_waste(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folded = fold(dense_network((784, 64, 10)), {"fc0": {"pe": 8, "simd": 28}, "fc1": {"simd": 32}})
    save_network(folded, tmp_path / "net.xnf")
    assert run("show", tmp_path / "net.xnf", "--json", "--board", "ulx3s-85f") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["family"] == "ecp5"
    assert {key: result["weight_memory"][key] for key in ("bits", "blocks", "block_bits")} == {
        "bits": 50176,
        "blocks": 7,
        "block_bits": 7 * 18432,
    }
    parts = [*result["nodes"], *result["fifos"], result["ports"]]
    for count in ("luts", "ffs", "brams", "dsps"):
        assert sum(part[count] for part in parts) == result["estimate"][count]


def test_fold_to_rate_counts_cycles(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--fps", 1e6, "--clock-mhz", 24, "--json") == 0
    assert json.loads(capsys.readouterr().out)["interval"] <= 24


def test_fold_as_a_file_says(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "fold.toml"
    config.write_text('[nodes.fc0]\npe = 3\nsimd = 4\n[fifos]\n"input -> binarize" = 7\n')
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--config", config, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [(n["pe"], n["simd"]) for n in result["nodes"] if n["name"] == "fc0"] == [(3, 4)]
    assert [f["depth"] for f in result["fifos"] if f["name"] == "input -> binarize"] == [7]
    assert result["interval"] == 6  # that of fc0; the others follow


def test_fold_trades_places_for_interval(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def folded(*options: object) -> tuple[int, int | float]:
        out = tmp_path / "f.xnf"
        assert run("fold", net, "-o", out, "--interval", 12, *options, "--json") == 0
        network = open_network(out)
        capsys.readouterr()
        return sum(fifo.depth for fifo in network.fifos), simulate(network, 1).interval

    auto, full, slack = folded(), folded("--fifos", "full"), folded("--interval-slack", "30%")
    assert auto == folded("--fifos", "auto") == folded("--interval-slack", "0%")
    assert full[0] > auto[0] > slack[0]
    assert full[1] == auto[1] < slack[1] <= 1.3 * auto[1]


def test_a_folding_file_tells_the_interval_with_its_fifos(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "f.xnf", tmp_path / "again.xnf"
    assert run("fold", net, "-o", out, "--interval", 12, "--interval-slack", "30%", "--json") == 0
    interval = json.loads(capsys.readouterr().out)["interval"]
    assert interval > open_network(out).interval
    text = out.with_suffix(".toml").read_text()
    assert text.startswith(f"# Folding of dense-12-6-4: {interval} cycles between frames.\n")
    assert run("fold", net, "-o", again, "--config", out.with_suffix(".toml")) == 0
    assert again.read_bytes() == out.read_bytes()
    assert again.with_suffix(".toml").read_text() == text


def test_fold_as_a_file_of_fifos_says(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "fold.toml"
    config.write_text('[fifos]\n"fc0 -> fc1" = 9\n')
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--config", config, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["interval"] == 72
    assert [f["depth"] for f in result["fifos"] if f["name"] == "fc0 -> fc1"] == [9]


def test_far_too_big_for_a_board_is_refused_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_network(fold(dense_network((784, 64, 10)), {"fc0": {"pe": 64, "simd": 784}}), tmp_path / "big.xnf")
    assert run("bitstream", tmp_path / "big.xnf", "--board", "icebreaker", "-o", tmp_path / "out") == 2
    error = capfd.readouterr().err
    assert error.startswith(
        "error: Network 'dense-784-64-10' must fit icebreaker with 5,280 logic cells and 30 block RAMs"
    )
    assert not (tmp_path / "out").exists()


def test_simulate_writes_outputs(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (9, 12), np.uint8)
    np.save(tmp_path / "x.npy", frames)
    out = tmp_path / "out.npz"
    assert run("simulate", net, "--input", tmp_path / "x.npy", "--outputs", out, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["frames"], result["accuracy"]) == (9, None)
    keys = {"first_beat_latency", "first_frame_latency", "interval", "interval_deviation", "total"}
    assert set(result["cycles"]) == keys
    with np.load(out) as saved:
        assert saved["predictions"].dtype == np.int64
        assert saved["scores"].shape == (9, 4)
        assert (saved["predictions"] == saved["scores"].argmax(axis=1)).all()


@pytest.mark.parametrize("ending", ["vcd", "json"])
def test_simulate_traces_the_first_frames(
    ending: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"run.{ending}"
    assert run("simulate", net, "--frames", 20, "--trace", file, "--trace-frames", 2, "--stalls", 1, "--json") == 0
    captured = capfd.readouterr()
    trace = json.loads(captured.out)["trace"]
    assert (trace["file"], trace["frames"]) == (str(file), 2)
    assert f"{file}: the first 2 frames, cycles 0 to {trace['cycles'] - 1:,}\n" in captured.err
    assert file.stat().st_size > 1000


def test_simulate_draws_the_pipeline(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 2, "--diagram", "--json") == 0
    captured = capfd.readouterr()
    assert "trace" not in json.loads(captured.out)
    rows = {line.split()[0]: line for line in captured.err.splitlines()[1:5]}
    assert list(rows) == ["binarize", "fc0", "fc1", "arg_max"]
    assert all(set(row.split(maxsplit=1)[1]) <= set("12· ") for row in rows.values())


def test_report_of_a_build(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, page = tmp_path / "bits", tmp_path / "report.html"
    folder.mkdir()
    timing = timing_of(expose_scores(dense_network((12, 6, 4))))
    figures = {"network": "dense-12-6-4", "latency": timing.latency, "interval": timing.interval, "board": "icebreaker"}
    figures |= {
        "luts": 1234,
        "ffs": 777,
        "brams": 6,
        "dsps": 0,
        "clock_mhz": 24.0,
        "fmax_mhz": 40.5,
        "timing_met": True,
    }
    (folder / "bitstream.json").write_text(json.dumps(figures))
    assert run("report", net, "-o", page, "--build", folder, "--frames", 2, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["report"], result["frames"]) == (str(page), 2)
    assert (result["timing"]["clock"], result["timing"]["latency"]) == ("met", timing.latency)
    text = page.read_text(encoding="utf-8")
    assert '<span class="badge met">met: routed for 40.5 MHz</span>' in text
    assert "1,234 LUTs" in text
    assert "estimated for ice40" in text
    assert "scores_fork" in text  # as it was built


def test_simulate_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((784, 8, 10)), tmp_path / "n.xnf")
    assert run("simulate", tmp_path / "n.xnf", "--dataset", "mnist-sample", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == 500
    assert 0 <= result["accuracy"] <= 1


def test_verilog_writes_axi_ports(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verilog", net, "-o", tmp_path / "v", "--json") == 0
    text = Path(json.loads(capsys.readouterr().out)["verilog"]).read_text()
    for port in ("s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast", "m_axis_tdata", "m_axis_tlast"):
        assert port in text


@pytest.mark.sim
def test_verify_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(CASES[0].network(), tmp_path / "n.xnf")
    args = ("verify", tmp_path / "n.xnf", "--simulator", "amaranth", "--frames", 3, "--stalls", 5, "--json")
    assert run(*args) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] is True
    assert result["frames"] == 3
    assert result["beats_compared"] > 100
    keys = {"level", "simulator", "streams", "cycles_compared", "value_mismatches", "cycle_mismatches"}
    assert keys <= set(result)


BAD = [
    (("show", "no.xnf"), "Network file must exist, not 'no.xnf'"),
    (
        ("show", "no-such-model"),
        "Model must be a file, a folder with model.onnx or one of cnv-mnist-small, cnv-w1a1, sfc-w1a1, tfc-w1a1, "
        "not 'no-such-model'",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 12, "--interval-slack", "-5%"),
        "Interval slack must be a percentage of at least 0, such as 5%, not '-5%'",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 12, "--interval-slack", "0.05"),
        "Interval slack must be a percentage of at least 0, such as 5%, not '0.05'",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 12, "--interval-slack", "5%", "--fifos", "full"),
        "Interval slack must be given with --fifos auto, not with full",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 12, "--fifos", "small"),
        "FIFOs (--fifos) must be auto or full, not 'small'",
    ),
    (("fold", "NET", "-o", "OUT"), "Folding target must be one of --fps, --interval, --board, --config, not none"),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 3, "--board", "icebreaker"),
        "Folding target must be one of --fps, --interval, --board, --config, not --interval and --board",
    ),
    (("fold", "NET", "-o", "OUT", "--fps", 10), "Clock (--clock-mhz) must be given with --fps, not left out"),
    (
        ("fold", "NET", "-o", "OUT", "--fps", 1e9, "--clock-mhz", 10),
        "Frames per second must be at most 10,000,000 at 10.0 MHz, not 1,000,000,000",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--fps", "nan", "--clock-mhz", 10),
        "Frames per second and clock must be positive, not nan and 10.0",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--fps", 10, "--clock-mhz", "inf"),
        "Frames per second and clock must be positive, not 10.0 and inf",
    ),
    (("lower", "tfc-w1a1", "-o", "."), "Network file '.' must be writable, not: Is a directory"),
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
    (("fold", "NET", "-o", "OUT", "--interval", 0), "Interval must be at least 1, not 0"),
    (
        ("fold", "NET", "-o", "OUT", "--interval", 9, "--utilization", 0.5),
        "Utilization must be given with --board, not with --interval",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--board", "icebreaker", "--utilization", 1.5),
        "Utilization must be above 0 and at most 1, not 1.5",
    ),
    (
        ("fold", "NET", "-o", "OUT", "--board", "icebreaker", "--family", "ecp5"),
        "Device family of board 'icebreaker' must be ice40, not 'ecp5'",
    ),
    (("show", "NET", "--family", "virtex"), "Device family must be one of ice40, ecp5, gowin, xilinx7, not 'virtex'"),
    (("simulate", "NET", "--frames", 0), "Frames must be at least 1, not 0"),
    (("simulate", "NET", "--input", "no.npy"), "File must be usable, not 'no.npy': No such file or directory"),
    (
        ("simulate", "NET", "--input", "x.npy", "--dataset", "mnist"),
        "Frames must come from --dataset or --input, not both",
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
    (("report", "NET", "-o", "OUT", "--frames", 0), "Frames of the diagrams must be at least 1, not 0"),
    (("report", "NET", "-o", "OUT", "--family", "x"), "Device family must be one of FAMILIES, not 'x'"),
    (("report", "NET", "-o", "OUT", "--clock-mhz", 0), "Clock (--clock-mhz) must be positive, not 0.0"),
    (
        ("report", "NET", "-o", "OUT", "--build", "none"),
        "Build folder 'none' must hold bitstream.json of xnorflow bitstream, not none",
    ),
    (("nonsense",), "No such command 'nonsense'."),
    (("show",), "Missing argument 'NET'."),
]


@pytest.mark.parametrize(("args", "message"), BAD, ids=[" ".join(map(str, args)) for args, _ in BAD])
def test_bad_input_is_one_sentence(
    args: tuple[object, ...], message: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    named = {"NET": str(net), "OUT": str(out)}

    def with_paths(text: str) -> str:
        return "/".join(named.get(part, part) for part in text.split("/"))

    assert run(*(with_paths(str(arg)) for arg in args)) == 2
    captured = capfd.readouterr()
    assert captured.err == f"error: {message}\n".replace("OUT", str(out)).replace("FAMILIES", ", ".join(FAMILIES))
    assert captured.out == ""
    assert not out.exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 12)), "Input 'FILE' must hold integers, not float64"),
        (
            np.zeros((2, 13), np.uint8),
            "Frames of network 'dense-12-6-4' must have shape (frames, 12), not (2, 13)",
        ),
        (
            np.full((2, 12), 256),
            "Frames of network 'dense-12-6-4' must be within 0 to 255 (uint8), not 256 to 256",
        ),
        (np.array([None]), "Input 'FILE' must be a whole .npy file of numbers, not another file"),
    ],
    ids=["floats", "size", "range", "objects"],
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
        ("[fifo]", "Folding file 'FILE' must have the tables nodes and fifos, not 'fifo'"),
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


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "Network file '.' must be writable, not: Is a directory"),
        ("folder.xnf", "Network file 'folder.xnf' must be writable, not: Is a directory"),
        ("a.xnf", "Folding file 'a.toml' must be writable, not: Is a directory"),
        ("f.toml", "Network file must be named otherwise than its folding, such as f.xnf, not 'f.toml'"),
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
    node = Threshold("one", Integer(4), (5,), np.array([3, 7, 9, 11, 15]), pe=2)
    ends = Terminal("in", stream), Terminal("out", node.output_streams[0])
    fifos = Fifo("in", "one"), Fifo("one", "out")
    save_network(Network("net", (node,), fifos, ends[:1], ends[1:]), tmp_path / "net.xnf")
    assert run("simulate", tmp_path / "net.xnf", "--frames", 2, "--trace", tmp_path / "run.vcd") == 2
    message = "Network 'net' must have scores or an ArgMax to predict, not neither"
    assert capfd.readouterr().err == f"error: {message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["net.xnf"]


def test_tables_off_a_terminal_are_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = "a_layer_with_a_name_as_long_as_those_that_exporters_give_to_layers_of_residual_networks"
    console.print_table(console.table_of("long", ("node", "kind", "pe"), [(name, name, 1), (name, name, "-")]))
    lines = capfd.readouterr().err.splitlines()
    assert [line.count(name) for line in lines[4:6]] == [2, 2]
    assert lines[4].endswith("│  1 │")
    assert lines[5].endswith("│  - │")


def test_more_than_the_memory_is_one_sentence(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 10**15) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: Memory must be enough for what is asked, not run out: ")
    assert error.count("\n") == 1


@pytest.mark.train
def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quant.training.train", interrupt)
    assert run("train", "tfc-w1a1", "--out", tmp_path) == 130
    assert capfd.readouterr().err == f"interrupted: --resume goes on from the last whole epoch in {tmp_path}\n"


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"rtl", "amaranth", "amaranth_boards"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    monkeypatch.setitem(sys.modules, "amaranth_boards", None)
    assert run("boards") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: Package amaranth")
    assert "pip install 'xnorflow[fpga]'" in error


def test_images_become_the_codes_that_a_network_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = dense_network((784, 8, 10))
    codes = " ".join(str(255 - pixel) for pixel in range(256))
    for name, network in (("a", pixels), ("b", replace(pixels, metadata={"codes_of_pixels": codes}))):
        save_network(network, tmp_path / f"{name}.xnf")
        args = (
            "simulate",
            tmp_path / f"{name}.xnf",
            "--dataset",
            "mnist-sample",
            "--outputs",
            tmp_path / f"{name}.npz",
        )
        assert run(*args) == 0
    with np.load(tmp_path / "b.npz") as saved:
        inverted = predict(pixels, 255 - load("mnist-sample", "test").images.reshape(-1, 784).astype(np.int64))
        assert (saved["scores"] == inverted.scores).all()
        with np.load(tmp_path / "a.npz") as plain:
            assert (saved["scores"] != plain["scores"]).any()
        images = load("mnist-sample", "test").images.reshape(-1, 784)
        for values in (images, 255 - images.astype(np.int64)):  # bytes are pixels, other integers are codes
            np.save(tmp_path / "frames.npy", values)
            outputs = tmp_path / "again.npz"
            files = ("--input", tmp_path / "frames.npy", "--outputs", outputs)
            assert run("simulate", tmp_path / "b.xnf", *files) == 0
            with np.load(outputs) as again:
                assert (again["scores"] == saved["scores"]).all()
