"""Place and route a network alone, without a serial link: ``python -m benchmarks.route_alone NETWORK.xnf``.

Registers at pins stand in for what would be around the network: a shift register with one bit for each number of a beat
at its input, and one register for each bit of its output. So a frame may begin in every cycle. All bits of a number are
the same bit of the shift register. The design is made for the largest ECP5 (LFE5U-85F, package CABGA381, the device of
ULX3S-85F) by Yosys and nextpnr.
"""

import argparse
import json
import tempfile
from pathlib import Path

from amaranth import Cat, Const, Elaboratable, Module, Signal, Value
from amaranth.back import rtlil

from dataflow import Network
from dataflow.file import load
from rtl.bitstream.report import fmax_of, netlist_cells, packed_cells, use_of
from rtl.bitstream.tools import run_tool
from rtl.core import Core
from rtl.platforms import FamilyPlatform
from rtl.synthesis import FLOWS

__all__ = ["Shifted"]

_FAMILY = "ecp5"
_DEVICE = ("--85k", "--package", "CABGA381", "--lpf-allow-unconstrained", "--timing-allow-fail")
_ROUTER = ("--router", "router2")  #: The default one takes hours for TFC at a frame per cycle.


class Shifted(Elaboratable):
    """A network of one input and one output between registers.

    Attributes
    ----------
    shifted, valid, ready : the next bit of the shift register, whether the register is a beat, whether it was taken
    o, o_valid : a beat of the output, and whether there is one
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        (terminal,) = network.outputs
        self.shifted, self.valid, self.ready = Signal(), Signal(), Signal()
        self.o, self.o_valid = Signal(terminal.stream.width), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        network = self._network
        m.submodules.core = core = Core(network)
        (source,), (target,) = network.inputs, network.outputs
        port, end = core.input_port(source.name), core.output_port(target.name)
        element, lanes = source.stream.element, source.stream.lanes
        register, valid = Signal(lanes, reset_less=True), Signal()
        m.d.sync += [register.eq(Cat(self.shifted, register)), valid.eq(self.valid)]
        m.d.comb += [
            Value.cast(port.payload).eq(Cat(bit.replicate(element.width) for bit in register)),
            port.valid.eq(valid),
            end.ready.eq(Const(1)),
        ]
        m.d.sync += [self.ready.eq(port.ready), self.o.eq(Value.cast(end.payload)), self.o_valid.eq(end.valid)]
        return m


def main() -> None:
    """Route the network that the command line names once for each seed, and print the figures of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.route_alone", description=__doc__)
    parser.add_argument("network", type=Path, help="an .xnf file, folded")
    parser.add_argument("--clock-mhz", type=float, default=80.0, help="the clock that nextpnr aims at")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds of placements")
    arguments = parser.parse_args()
    network = load(arguments.network)
    top = Shifted(network)
    ports = [top.shifted, top.valid, top.ready, top.o, top.o_valid]
    with tempfile.TemporaryDirectory(prefix="xnorflow-route-") as folder:
        work = Path(folder)
        text = rtlil.convert(top, name="top", ports=ports, emit_src=False, platform=FamilyPlatform(_FAMILY))
        (work / "top.il").write_text(text, encoding="utf-8")
        script = f"read_rtlil top.il; {FLOWS[_FAMILY]} -top top; tee -q -o stat.json stat -json; write_json top.json"
        run_tool(("yosys", "-q", "-p", script), work, print)
        use = use_of(netlist_cells(work / "stat.json", work / "top.json", _FAMILY), _FAMILY)
        print(f"{network.name}: {use.luts:,} LUTs, {use.ffs:,} flip-flops, {use.brams} block RAMs by Yosys", flush=True)
        for seed in arguments.seeds:
            options = ("--freq", f"{arguments.clock_mhz:g}", "--seed", str(seed), "--report", "report.json")
            run_tool(
                ("nextpnr-ecp5", *_DEVICE, *_ROUTER, *options, "--log", "top.tim", "--json", "top.json"), work, print
            )
            used, available = packed_cells(work / "top.tim", _FAMILY)
            fmax = fmax_of(work / "report.json", arguments.clock_mhz)
            slowest = max(json.loads((work / "report.json").read_text())["critical_paths"], key=_delay)
            ends = f"{slowest['path'][0]['from']['cell']} to {slowest['path'][-1]['to']['cell']}"
            print(f"seed {seed}: {fmax:.1f} MHz, {used:,} of {available:,} cells; slowest {ends}", flush=True)


def _delay(path: dict[str, list[dict[str, float]]]) -> float:
    return sum(step["delay"] for step in path["path"])


if __name__ == "__main__":
    main()
