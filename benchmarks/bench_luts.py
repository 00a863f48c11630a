"""The LUTs of a matrix-vector unit per lane, by device family, as Yosys makes them."""

from collections.abc import Iterator

from amaranth.back import rtlil

from benchmarks.cost_draws import matrix
from benchmarks.rows import Measurement
from dataflow import BIPOLAR, Node
from rtl.bitstream.report import use_of
from rtl.components import component_of
from rtl.platforms import FamilyPlatform
from rtl.synthesis import synthesize

__all__ = ["luts_per_lane", "rows"]

#: Neurons at once, and lanes of each.
PE, SIMD = 8, 64

#: Units: neurons and synapses, and what they are. The first needs each beat and each threshold once.
UNITS = (
    (8, 4096, "8 neurons of 4,096 bits"),
    (64, 1024, "64 neurons of 1,024 bits, with the memories of vector and thresholds"),
)

#: The most LUTs per lane of the first unit.
_GOALS = {"ecp5": "<= 1.8"}


def rows() -> list[Measurement]:
    """Return the LUTs per lane of each unit, whose weights are in block RAM; for ECP5 without its carry chains too."""
    return list(_rows())


def _rows() -> Iterator[Measurement]:
    for number, (neurons, synapses, what) in enumerate(UNITS):
        _, node = matrix(neurons, synapses, PE, SIMD, BIPOLAR, True)
        for family in ("ecp5", "ice40", "xilinx7"):
            goal = "" if number else _GOALS.get(family, "")
            text = f"{family}, {PE} x {SIMD} at once: {what}"
            yield Measurement(text, luts_per_lane(node, family), "LUTs per lane", goal)
        portable = luts_per_lane(node, "ecp5", portable=True)
        yield Measurement(f"ecp5, made for any family: {what}", portable, "LUTs per lane")


def luts_per_lane(node: Node, family: str, *, portable: bool = False) -> float:
    """Return the LUTs of a unit divided by its products per cycle, synthesized for a device family.

    Parameters
    ----------
    portable : whether the hardware is made for any family
    """
    platform = None if portable else FamilyPlatform(family)
    text = rtlil.convert(component_of(node), name="top", emit_src=False, platform=platform)
    (cells,) = synthesize([(text, "top")], family)
    return use_of(cells, family).luts / (PE * SIMD)
