"""The files of a package: what they say is what the network and the cycle simulator say."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dataflow
import rtl
from dataflow import InputError
from hwsim import simulate
from sim_tests.cases import dense_network, random_frames
from sim_tests.conv_cases import conv_network
from tests.xnorflow.packages import FRAMES, commands_of, made, network_of
from xnorflow.package import package_of, write_folder
from xnorflow.package.gates import gates_of, stalls_of
from xnorflow.target import Target
from xnorflow.timing import Clock

pytestmark = pytest.mark.long


def test_files_of_a_package() -> None:
    files = made("both").files
    assert sorted(files) == [
        "README.md",
        "constraints/dense_12_6_4.lpf",
        "constraints/dense_12_6_4.pcf",
        "constraints/dense_12_6_4.sdc",
        "constraints/dense_12_6_4.xdc",
        "core.json",
        "dense_12_6_4.f",
        "rtl/dense_12_6_4.v",
        "sim/cycles_0.hex",
        "sim/cycles_1.hex",
        "sim/dense_12_6_4_tb.v",
        "sim/expected_0.hex",
        "sim/expected_1.hex",
        "sim/sent_0.hex",
        "sim/sim.f",
    ]
    assert files["dense_12_6_4.f"] == "rtl/dense_12_6_4.v\n"
    assert files["sim/sim.f"] == "../rtl/dense_12_6_4.v\ndense_12_6_4_tb.v\n"
    assert files["rtl/dense_12_6_4.v"] == rtl.verilog(network_of("both"))


def test_package_is_reproducible_and_names_no_machine() -> None:
    network = network_of("both")
    assert package_of(network, random_frames(network, FRAMES)) == made("both")
    for text in made("both").files.values():
        assert str(Path.cwd()) not in text
        assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", text)


@pytest.mark.parametrize("reset", ["active-high", "active-low"])
def test_split_files_have_the_same_modules(reset: str) -> None:
    one, several = (made("ragged", files=files, reset=reset).files for files in ("one", "split"))
    network = network_of("ragged")
    top = rtl.top_name(network)

    def modules(files: dict[str, str]) -> Counter[str]:
        text = "\n".join(text for name, text in files.items() if name.startswith("rtl/"))
        return Counter(re.findall(r"^module .*?^endmodule$", text, re.MULTILINE | re.DOTALL))

    assert modules(one) == modules(several)
    assert max(modules(one).values()) == 1
    names = [f"rtl/{top}.v", f"rtl/{top}_core.v"]
    names += [f"rtl/{top}_fifo_{index}.v" for index in range(len(network.fifos))]
    names += [f"rtl/{top}_node_{name.replace('.', '_')}.v" for name in network.node_of_name]
    assert sorted(several[f"{top}.f"].split()) == sorted(names)
    assert several[f"rtl/{top}.v"].startswith(one[f"rtl/{top}.v"].partition("\n\n")[0])


def test_split_files_have_short_names_that_differ_in_more_than_case() -> None:
    network = dense_network((4, 2, 2))
    names = ["A" * 300, "a" * 300]
    text = rtl.verilog(network)
    for old, new in zip(("fc0", "fc1"), names, strict=True):
        text = text.replace(f"node_{old} ", f"node_{new} ").replace(f"node_{old}.", f"node_{new}.")
    files = list(rtl.divided(text))
    assert len({name.casefold() for name in files}) == len(files)
    assert max(map(len, files)) < 110
    assert len(files) == len(rtl.divided(rtl.verilog(network)))


@pytest.mark.parametrize("name", ["both", "inert-neighbours", "bits", "parallel", "map-class-inert", "heads-mixed"])
def test_facts_are_those_of_the_network_and_of_the_cycle_simulator(name: str) -> None:
    network = network_of(name)
    target = Target("ice40", Clock(24.0, note="as given, not built"))
    package = package_of(network, random_frames(network, FRAMES), target=target)
    facts = json.loads(package.files["core.json"])
    assert facts == package.facts
    run = simulate(network, FRAMES)
    timing = facts["timing"]
    assert timing["latency"] == facts["testbench"]["latency"] == run.first_frame_latency
    assert timing["first_beat_latency"] == run.first_beat_latency
    assert timing["interval"] == run.interval
    assert timing["clock_mhz"] == 24.0
    assert timing["fps"] == pytest.approx(24e6 / run.interval)
    for port, end in zip((*facts["inputs"], *facts["outputs"]), (*network.inputs, *network.outputs), strict=True):
        stream = end.stream
        assert (port["name"], port["beats"], port["lanes"]) == (end.name, stream.beats, stream.lanes)
        assert (port["inert_lanes"], port["beat_bits"]) == (stream.inert, stream.width)
        assert (port["element"], port["number_bits"]) == (str(stream.element), stream.element.width)
    for family, cost in facts["resources"].items():
        assert dataflow.Cost(**cost) == dataflow.network_cost(network, family, portable=True)


def test_facts_name_the_ports_of_the_verilog() -> None:
    for reset in ("active-high", "active-low"):
        found = made("both", reset=reset)
        facts = found.facts
        ports = {facts["clock"]["port"]: ("in", 1), facts["reset"]["port"]: ("in", 1), "frame_error": ("out", 1)}
        for port in (*facts["inputs"], *facts["outputs"]):
            ports |= {signal["port"]: (signal["direction"], signal["bits"]) for signal in port["signals"]}
        text = found.files[found.verilog[0]]
        top = re.search(rf"^module {found.top}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0]
        declared = {}
        for direction, high, name in re.findall(r"^  (in|out)put (?:\[(\d+):0\] )?(\w+);$", top, re.MULTILINE):
            declared[name] = (direction, int(high or 0) + 1)
        assert declared == ports


def test_readme_says_what_the_facts_say() -> None:
    network = network_of("both")
    target = Target("ice40", Clock(24.0, note="as given, not built"))
    package = package_of(network, random_frames(network, FRAMES), target=target)
    text, run = package.files["README.md"], simulate(network, FRAMES)
    assert f"| latency | {run.first_frame_latency} cycles from a frame's first beat in to its last beat out" in text
    assert f"{run.first_frame_latency / 24:g} us at 24 MHz (as given, not built) |" in text
    assert f"| interval | {run.interval} cycles between frames in steady state: 2,000,000 frames per second" in text
    cost = dataflow.network_cost(network, "ecp5", portable=True)
    assert f"| ecp5 | {cost.luts} | {cost.ffs} | {cost.brams} | {cost.dsps} |" in text
    assert "| `m_axis_scores_tdata` | 8 | out | scores: integer scores, in the order of the classes |" in text
    assert "Every output must be taken" in text
    assert "The upper 4 bits of `tdata` are 0; numbers are not extended to whole bytes." in text
    scores = network.node(network.scores.node).output_streams[0]
    assert f"| a frame | {scores.size} beats: {scores.size} numbers |" in text
    assert "sets `frame_error` one cycle after" in text


def test_readme_tells_of_lanes_without_a_number() -> None:
    text = made("inert-neighbours").files["README.md"]
    assert "Lane l of beat b carries number 6*b + l, in the bits `tdata[8*l +: 8]`." in text
    assert "so the last 5 lanes of every beat number 3 carry no number: what is sent there is ignored." in text


@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
def test_readme_tells_where_each_number_is(lanes: int) -> None:
    network = conv_network((4, 4, 5), (3,))
    network = dataflow.fold(network, {network.nodes[0].name: {"pe": lanes}})
    stream = network.inputs[0].stream
    assert (stream.lanes, stream.inert) == (lanes, -5 % lanes)
    text = package_of(network, random_frames(network, 1)).files["README.md"]
    found = re.search(r"^(?:Lane l of beat b|Beat b) carries number ([^,]*), in the bits", text, re.MULTILINE)
    formula = compile(found[1].replace("/", "//"), "formula", "eval")
    places = dataflow.beats_of(np.arange(1, stream.size + 1), stream)
    for b, beat in enumerate(places):
        for l, number in enumerate(beat):  # noqa: E741 - as the README calls it
            assert number in (0, eval(formula, {"b": b, "l": l}) + 1)


def test_example_of_the_readme_is_the_first_frame() -> None:
    network = network_of("parallel")
    frames = random_frames(network, FRAMES)[2:]
    (port,) = package_of(network, frames).facts["inputs"]
    shown = port["example"][0]
    assert shown["numbers"] == frames[0].ravel()[: len(shown["numbers"])].tolist()
    word = int(shown["tdata"], 16)
    assert [word >> 8 * lane & 255 for lane in range(len(shown["numbers"]))] == shown["numbers"]


def test_one_frame_has_no_interval() -> None:
    network = network_of("both")
    package = package_of(network, random_frames(network, 1))
    assert package.facts["testbench"]["interval"] is None
    assert "INTERVAL" not in package.files["sim/dense_12_6_4_tb.v"]


def test_ignored_bits_are_random_and_the_others_are_the_frame() -> None:
    network = network_of("inert-neighbours")
    frames, stream = random_frames(network, FRAMES), network.inputs[0].stream
    package = package_of(network, frames)
    sent = [int(line, 16) for line in package.files["sim/sent_0.hex"].split()]
    words = dataflow.words_of(dataflow.beats_of(frames, stream), stream)
    used = (1 << (stream.lanes - stream.inert) * 8) - 1
    for beat, (word, clean) in enumerate(zip(sent, words, strict=True)):
        last = beat % stream.vector_beats == stream.vector_beats - 1
        assert word & (used if last else -1) == clean
    assert sent != words


def test_constraints_name_every_port() -> None:
    network = network_of("both")
    target = Target(clock=Clock(80.0))
    files = package_of(network, random_frames(network, 1), reset="active-low", target=target).files
    texts = {suffix: files[f"constraints/dense_12_6_4.{suffix}"] for suffix in ("xdc", "sdc", "lpf", "pcf")}
    assert "create_clock -name aclk -period 12.500 [get_ports aclk]" in texts["xdc"]
    assert "create_clock -name aclk -period 12.500 [get_ports {aclk}]" in texts["sdc"]
    assert 'FREQUENCY PORT "aclk" 80 MHZ;' in texts["lpf"]
    assert "set_frequency aclk 80" in texts["pcf"]
    for text in texts.values():
        for port in ("aresetn", "s_axis_tdata[", "m_axis_class_tlast", "frame_error"):
            assert port in text
    assert "{m_axis_scores_tdata[7]}" in texts["xdc"]
    assert 'LOCATE COMP "s_axis_tdata[0]"' in texts["lpf"]
    active = [line for line in texts["pcf"].splitlines() if line and not line.startswith("#")]
    assert active == ["set_frequency aclk 80"]


def test_name_of_the_network_cannot_break_the_readme() -> None:
    network = replace(network_of("smallest"), name="a `b` | {{ c }}")
    package = package_of(network, random_frames(network, 1))
    assert "The binary neural network `a 'b' / {{ c }}` as a hardware core" in package.files["README.md"]
    json.loads(package.files["core.json"])


def test_commands_are_those_that_the_tests_run(tmp_path: Path) -> None:
    write_folder(tmp_path, made("smallest").files)
    assert [command[0] for command in commands_of(tmp_path, "icarus")] == ["iverilog", "vvp"]
    assert [command[0] for command in commands_of(tmp_path, "verilator")] == ["verilator", "obj_dir/dense_1_1_1_tb"]
    assert [command[0] for command in commands_of(tmp_path, "vivado")] == ["xvlog", "xelab", "xsim"]


def test_testbench_has_no_system_verilog() -> None:
    text = made("both").files["sim/dense_12_6_4_tb.v"]
    code = re.sub(r"//.*|\"[^\"\n]*\"", "", text)
    assert not re.search(
        r"\b(logic|bit|byte|int|always_ff|always_comb|string|automatic|assert|\$fatal|\$error)\b", code
    )
    assert not re.search(r"\+\+|\+=|'0|'1\b|\bendmodule *:", code)


def test_gates_open_and_close_in_all_ways() -> None:
    network = network_of("both")
    patterns = [gate.pattern for gate in gates_of(network).values()]
    assert len({pattern.tobytes() for pattern in patterns}) == len(patterns)
    for pattern in patterns:
        runs = np.diff(np.flatnonzero(np.diff(pattern, prepend=not pattern[0], append=not pattern[-1])))
        assert max(runs) >= 64
        assert min(runs) == 1
        assert 0.3 < pattern.mean() < 0.7
    stalls_of(network).check(network)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"files": "two"}, "Files (--files) must be one or split, not 'two'"),
        ({"reset": "low"}, "Reset must be active-high or active-low, not 'low'"),
    ],
)
def test_unknown_options_are_refused(option: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        made("smallest", **option)
