"""The report of a build: figures of Yosys and nextpnr, read from their JSON files."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from dataflow import InputError, Network
from rtl.bitstream.critical import Hop
from rtl.bitstream.places import names_of, place_of
from rtl.boards import Board

__all__ = ["BitstreamReport", "Use", "check_fit", "fmax_of", "netlist_cells", "packed_cells", "use_by_place", "use_of"]


@dataclass(frozen=True)
class Use:
    """Resources of a device that a netlist uses.

    Parameters
    ----------
    luts : 4-input LUTs, for Xilinx 7 6-input LUTs; including those in LUT RAM and in carry cells (except for Xilinx,
        whose carry chains are separate). For iCE40 also the carries that cannot share a logic cell with a LUT
    ffs : flip-flops
    brams : block RAMs; for Xilinx 7 halves of 18 kbit
    dsps : multipliers
    """

    luts: int
    ffs: int
    brams: int
    dsps: int


#: Resources of one cell of each kind, by family.
_CELLS = {
    "ice40": {
        r"SB_LUT4|bare_carry": Use(1, 0, 0, 0),
        r"SB_DFF.*": Use(0, 1, 0, 0),
        r"SB_RAM40_4K.*": Use(0, 0, 1, 0),
        r"SB_MAC16": Use(0, 0, 0, 1),
    },
    "ecp5": {
        r"LUT4": Use(1, 0, 0, 0),
        r"CCU2C": Use(2, 0, 0, 0),
        r"TRELLIS_DPR16X4": Use(6, 0, 0, 0),
        r"TRELLIS_FF": Use(0, 1, 0, 0),
        r"DP16KD|PDPW16KD": Use(0, 0, 1, 0),
        r"MULT18X18D": Use(0, 0, 0, 1),
    },
    "gowin": {
        r"LUT[1-4]|ALU": Use(1, 0, 0, 0),
        r"RAM16S(DP)?4": Use(4, 0, 0, 0),
        r"DFF.*": Use(0, 1, 0, 0),
        r"SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9": Use(0, 0, 1, 0),
        r"MULT.*": Use(0, 0, 0, 1),
    },
    "xilinx7": {
        r"LUT[1-6]|SRL16E|SRLC32E": Use(1, 0, 0, 0),
        r"RAM32M|RAM64M": Use(4, 0, 0, 0),
        r"RAM(32|64)X1D": Use(2, 0, 0, 0),
        r"RAM128X1D": Use(4, 0, 0, 0),
        r"FD[CPRS]E.*": Use(0, 1, 0, 0),
        r"RAMB18E1": Use(0, 0, 1, 0),
        r"RAMB36E1": Use(0, 0, 2, 0),
        r"DSP48E1": Use(0, 0, 0, 1),
    },
}

#: nextpnr's name of the cell that holds a LUT, by family.
_LOGIC = {"ice40": "ICESTORM_LC", "ecp5": "TRELLIS_COMB"}


@dataclass(frozen=True)
class BitstreamReport:
    """The figures of a bitstream.

    Parameters
    ----------
    network, board, device : names
    luts, ffs, brams, dsps : resources of the netlist, as in `Use`
    cells : occupied logic cells after packing; an iCE40's cell may hold only a flip-flop
    fmax_mhz : highest clock of the routed design
    clock_mhz : clock of the design
    latency : cycles from a frame's first beat in to its last beat out
    interval : cycles between frames
    fps : frames per second at `clock_mhz`, not limited by the serial line
    latency_us : the latency at `clock_mhz`
    bitstream : the file
    sha256 : checksum of the file
    seconds : duration of the build
    seed : the placement's
    fmax_by_seed : highest clock of each placement that was tried and routed
    critical_path : the slowest way from a register to the next one, in the order of time
    places : resources of each node and FIFO, of the serial link and of the board, named as in `Hop`. Carries that
        share no logic cell with a LUT are in `luts` alone. Yosys merges gates that are equal, so a gate may be counted
        elsewhere
    """

    network: str
    board: str
    device: str
    luts: int
    ffs: int
    brams: int
    dsps: int
    cells: int
    fmax_mhz: float
    clock_mhz: float
    latency: int
    latency_us: float
    interval: int | float
    fps: float
    bitstream: Path
    sha256: str
    seconds: float
    seed: int = 1
    fmax_by_seed: Mapping[int, float] = field(default_factory=dict)
    critical_path: tuple[Hop, ...] = field(default=(), repr=False)
    places: Mapping[str, Use] = field(default_factory=dict, repr=False)

    @property
    def timing_met(self) -> bool:
        """Whether the design is fast enough for its clock."""
        return self.fmax_mhz >= self.clock_mhz

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values; the critical path also as one time and as the places that it passes."""
        path = self.critical_path
        summary = {
            "critical_path": [asdict(hop) for hop in path],
            "critical_ns": round(sum(hop.logic_ns + hop.routing_ns for hop in path), 2),
            "critical_way": " → ".join(place for place, _ in groupby(hop.place for hop in path)),
        }
        by_seed = {str(seed): mhz for seed, mhz in self.fmax_by_seed.items()}
        figures = {**asdict(self), "bitstream": str(self.bitstream), "timing_met": self.timing_met}
        figures["fmax_by_seed"] = by_seed
        return figures | summary


def netlist_cells(statistics: Path, netlist: Path, family: str) -> dict[str, int]:
    """Return the number of cells of each kind in a netlist.

    For iCE40 there are also ``bare_carry`` and ``lone_ff``, carries and flip-flops with a logic cell of their own.

    Parameters
    ----------
    statistics : file of Yosys' ``stat -json``
    netlist : file of Yosys' ``write_json``; read for iCE40 only
    """
    cells: dict[str, int] = json.loads(statistics.read_text())["design"]["num_cells_by_type"]
    return cells | _unshared(netlist) if family == "ice40" else cells


def use_of(cells: Mapping[str, int], family: str) -> Use:
    """Return the resources that the cells of a netlist use."""
    sums = [0, 0, 0, 0]
    for kind, count in cells.items():
        for pattern, use in _CELLS[family].items():
            if re.fullmatch(pattern, kind):
                sums = [total + count * each for total, each in zip(sums, asdict(use).values(), strict=True)]
    return Use(*sums)


def use_by_place(netlist: Path, network: Network, family: str) -> dict[str, Use]:
    """Return the resources of each place of a design, most LUTs first.

    Parameters
    ----------
    netlist : file of Yosys' ``write_json``
    network : as it was built
    """
    names, kinds = names_of(network), Counter[tuple[str, str]]()
    for name, cell in _top(netlist)["cells"].items():
        kinds[place_of(name, names)[0], cell["type"]] += 1
    places = dict.fromkeys(place for place, _ in kinds)
    uses = {place: use_of({kind: n for (at, kind), n in kinds.items() if at == place}, family) for place in places}
    return dict(sorted(uses.items(), key=lambda each: astuple(each[1]), reverse=True))


def _top(netlist: Path) -> dict[str, Any]:
    modules = json.loads(netlist.read_text())["modules"].values()
    return next(module for module in modules if "top" in module["attributes"])


def _unshared(netlist: Path) -> dict[str, int]:
    """Return the carries and flip-flops of an iCE40 that take logic cells of their own, as nextpnr packs them.

    A logic cell is a LUT, a carry with the LUT's inputs I1, I2 and I3, and a flip-flop at the LUT's output. A carry
    that starts a chain is counted separately: what nextpnr saves there it spends on making chains legal.
    """
    top = _top(netlist)
    cells = [(cell["type"], cell["port_directions"], cell["connections"]) for cell in top["cells"].values()]
    read = Counter(bit for port in top["ports"].values() if port["direction"] == "output" for bit in port["bits"])
    for _, directions, wires in cells:
        read.update(bit for port, bits in wires.items() if directions[port] == "input" for bit in bits)
    luts = [wires for kind, _, wires in cells if kind == "SB_LUT4"]
    shared = Counter(tuple(wires[port][0] for port in ("I1", "I2", "I3")) for wires in luts)
    carries = Counter(
        tuple(wires[port][0] for port in ("I0", "I1", "CI")) for kind, _, wires in cells if kind == "SB_CARRY"
    )
    bare = sum(
        count - (min(count, shared[inputs]) if isinstance(inputs[2], int) else 0) for inputs, count in carries.items()
    )
    before = {wires["O"][0] for wires in luts if read[wires["O"][0]] == 1}
    flip_flops = [wires["D"][0] for kind, _, wires in cells if kind.startswith("SB_DFF")]
    return {"bare_carry": bare, "lone_ff": sum(bit not in before for bit in flip_flops)}


def check_fit(network: Network, board: Board, use: Use) -> None:
    """Check that the board has the resources that the network uses.

    Raises
    ------
    InputError
        It has not; the message lists both figures of all resources.
    """
    if use.luts > board.luts or use.ffs > board.luts or use.brams > board.brams or use.dsps > board.dsps:
        raise InputError(
            f"Network {network.name!r} must fit {board.name} with {board.luts:,} LUTs, {board.luts:,} flip-flops, "
            f"{board.brams} block RAMs and {board.dsps} DSPs, not need {use.luts:,} LUTs, {use.ffs:,} flip-flops, "
            f"{use.brams} block RAMs and {use.dsps} DSPs"
        )


def packed_cells(log: Path, family: str) -> tuple[int, int]:
    """Return the used and the available logic cells from nextpnr's log, or (0, 0) if it did not pack."""
    text = log.read_text() if log.exists() else ""
    found = re.search(rf"{_LOGIC[family]}: *(\d+)/ *(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def fmax_of(report: Path, clock_mhz: float) -> float:
    """Return the routed Fmax in MHz, from the file of nextpnr's ``--report``.

    Only the clock of the network counts. nextpnr drops the constraint of a renamed net, and then any frequency seems
    to meet it. So a clock must be constrained to `clock_mhz`.
    """
    clocks: Iterable[dict[str, float]] = json.loads(report.read_text())["fmax"].values()
    # nextpnr rounds periods to whole picoseconds.
    meant = [clock["achieved"] for clock in clocks if abs(clock["constraint"] / clock_mhz - 1) < 0.001]
    assert meant, f"no clock of {report} was constrained to {clock_mhz} MHz"
    return min(meant)
