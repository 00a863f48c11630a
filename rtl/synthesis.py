"""Synthesis by Yosys: the flow of each device family, and the cells of a synthesized design."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataflow import InputError
from rtl.bitstream.report import netlist_cells
from rtl.bitstream.tools import run_tool

__all__ = ["FLOWS", "synthesize"]

#: Yosys' command for each device family. ``-nowidelut``: the wide multiplexers of ECP5 combine pairs of LUTs, which
#: does not help a popcount, and with those of Gowin Yosys builds single bits from up to 16 LUTs: 4,532 LUTs instead of
#: 1,892 for 128 neurons of 576 bits, 16 x 32 at once.
FLOWS = {
    "ice40": "synth_ice40 -abc9 -device u",
    "ecp5": "synth_ecp5 -abc9 -nowidelut",
    "gowin": "synth_gowin -nowidelut -noiopads",
    "xilinx7": "synth_xilinx -family xc7 -flatten -abc9 -noiopad -noclkbuf",
}


def synthesize(designs: Sequence[tuple[str, str]], family: str) -> Iterator[dict[str, int]]:
    """Yield the number of cells of each kind for each design, synthesized for a device family by one process.

    Parameters
    ----------
    designs : RTLIL of each design, and the name of its top module

    Raises
    ------
    InputError
        No such family, or Yosys is not installed.
    ToolError
        Yosys failed.
    """
    if family not in FLOWS:
        raise InputError(f"Device family must be one of {', '.join(FLOWS)}, not {family!r}")
    with tempfile.TemporaryDirectory(prefix="xnorflow-synthesis-") as folder:
        work, script = Path(folder), []
        for index, (text, top) in enumerate(designs):
            (work / f"{index}.il").write_text(text, encoding="utf-8")
            script += [f"read_rtlil {index}.il", f"{FLOWS[family]} -top {top}"]
            # To a file, because console output after ABC does not arrive from Yosys under WebAssembly.
            script += [f"tee -q -o {index}.json stat -json", f"write_json {index}.netlist.json", "design -reset"]
        run_tool(("yosys", "-q", "-p", "; ".join(script)), work, lambda text: None)
        for index in range(len(designs)):
            yield netlist_cells(work / f"{index}.json", work / f"{index}.netlist.json", family)
