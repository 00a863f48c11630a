"""Runs a network's Verilog in Verilator or Icarus, inside a probe.

The probe is a generated module around the unmodified design. It collects the events of a cycle in one vector, which
`Bench.step` reads, and gives the transferred words short names. cocotb then samples one signal per cycle, and words
only when they are transferred.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from dataflow import Network
from rtl.axi import axi_prefixes
from rtl.platforms import FamilyPlatform
from rtl.verilog_files import top_name, verilog
from sim_tests.bench import Bench
from sim_tests.recording import Recording, Setup
from sim_tests.simulators import run_cocotb

__all__ = ["PROBE", "probe_control", "probe_verilog", "record"]

#: Name of the probe's module.
PROBE = "xnorflow_probe"


def record(
    network: Network,
    setups: Sequence[Setup],
    *,
    simulator: str,
    build_dir: Path,
    progress: Callable[[str], None] | None = None,
    watch: Callable[[int], None] = lambda cycles: None,
    text: str | None = None,
    family: str | None = None,
    cells: Sequence[Path] = (),
) -> list[Recording]:
    """Run a network's Verilog once for each setup, in one process, and return what was seen.

    Parameters
    ----------
    simulator : "verilator" or "icarus"
    build_dir : folder for everything that is written
    progress : called with a sentence at each step
    watch : called with the number of cycles that are simulated so far, from time to time
    text : the Verilog, if it is another than the one made from the network
    family : device family that the hardware is for
    cells : Verilog of the family's cells; the default is that models replace them
    """
    report = progress or (lambda sentence: None)
    build_dir = Path(build_dir).resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    report("Generating Verilog")
    design, probe, control = (build_dir / name for name in ("design.v", "probe.v", "probe.vlt"))
    platform = None if family is None else FamilyPlatform(family, modelled=not cells)
    design.write_text(verilog(network, platform=platform) if text is None else text)
    probe.write_text(probe_verilog(network))
    control.write_text(probe_control())
    runs = [(build_dir / f"setup{k}.npz", build_dir / f"recording{k}.npz") for k in range(len(setups))]
    for setup, (setup_file, recording_file) in zip(setups, runs, strict=True):
        setup.save(setup_file)
        recording_file.unlink(missing_ok=True)
    cycles = build_dir / "cycles"
    cycles.unlink(missing_ok=True)

    def running(begins: bool) -> None:
        if begins:
            report(f"Running in {simulator.capitalize()}")
        elif cycles.exists():
            watch(int(cycles.read_text()))

    report(f"Compiling for {simulator.capitalize()}")
    run_cocotb(
        [design, probe, control, *cells],
        PROBE,
        test_module="sim_tests.tb_network",
        build_dir=build_dir,
        simulator=simulator,
        env={
            "XNORFLOW_TESTBENCH_RUNS": json.dumps([[str(path) for path in run] for run in runs]),
            "XNORFLOW_TESTBENCH_CYCLES": str(cycles),
        },
        running=running,
    )
    return [Recording.load(recording_file) for _, recording_file in runs]


def probe_control() -> str:
    """Return the control file that makes only the probe's signals visible to cocotb in Verilator."""
    return f'`verilator_config\npublic_flat_rw -module "{PROBE}" -var "*"\n'


def probe_verilog(network: Network) -> str:
    """Return the Verilog of the probe.

    Ports, with the bits of vectors in the order of the network's inputs, outputs and FIFOs: ``clk``, ``rst``; in:
    ``valid``, ``last`` (inputs), ``ready`` (outputs), ``input_<k>`` (words); out: ``events``, and the words
    ``output_<k>`` of outputs and ``write_<k>``, ``read_<k>`` of FIFOs.
    """
    prefixes = axi_prefixes(network)
    streams = [network.stream(fifo) for fifo in network.fifos]
    inputs = [(index, prefixes[terminal.name], terminal.stream) for index, terminal in enumerate(network.inputs)]
    outputs = [(index, prefixes[terminal.name], terminal.stream) for index, terminal in enumerate(network.outputs)]
    events = Bench.event_width(len(streams), len(inputs), len(outputs))

    def port(direction: str, width: int, name: str) -> str:
        return f"{direction} wire [{width - 1}:0] {name}"

    ports = ["input wire clk", "input wire rst"]
    ports += [port("input", len(inputs), "valid"), port("input", len(inputs), "last")]
    ports += [port("input", len(outputs), "ready"), port("output", events, "events")]
    ports += [port("input", _bytes(stream.width), f"input_{k}") for k, _, stream in inputs]
    ports += [port("output", _bytes(stream.width), f"output_{k}") for k, _, stream in outputs]
    for what in ("write", "read"):
        ports += [port("output", stream.width, f"{what}_{k}") for k, stream in enumerate(streams)]

    pins = [".clk(clk)", ".rst(rst)", ".frame_error(frame_error)"]
    for k, prefix, _ in inputs:
        pins += [f".{prefix}_tdata(input_{k})", f".{prefix}_tvalid(valid[{k}])", f".{prefix}_tlast(last[{k}])"]
        pins += [f".{prefix}_tready(accepting[{k}])"]
    for k, prefix, _ in outputs:
        pins += [f".{prefix}_tdata(output_{k})", f".{prefix}_tvalid(offered[{k}])", f".{prefix}_tlast(final_beat[{k}])"]
        pins += [f".{prefix}_tready(ready[{k}])"]

    fifos = [f"dut.core.fifo_{k}" for k in range(len(streams))]
    flags = [f"{fifo}.i__valid" for fifo in fifos]
    flags += [f"{fifo}.o__valid & {fifo}.o__ready" for fifo in fifos]
    flags += ["valid & accepting", "ready & offered", "final_beat", "frame_error"]
    assigns = [f"assign events = {{{', '.join(reversed(flags))}}};"]
    for k, fifo in enumerate(fifos):
        assigns += [f"assign write_{k} = {fifo}.i__payload;", f"assign read_{k} = {fifo}.o__payload;"]

    body = [f"wire [{len(inputs) - 1}:0] accepting;", f"wire [{len(outputs) - 1}:0] offered, final_beat;"]
    body += ["wire frame_error;", f"\\{top_name(network)} dut (\n    {_lines(pins)}\n  );", *assigns]
    return f"module {PROBE} (\n  {_lines(ports, '  ')}\n);\n  " + "\n  ".join(body) + "\nendmodule\n"


def _bytes(width: int) -> int:
    """Return the bits of the bytes that hold `width` bits, which is the width of AXI's tdata."""
    return -(-width // 8) * 8


def _lines(items: list[str], indent: str = "    ") -> str:
    return f",\n{indent}".join(items)
