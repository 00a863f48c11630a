"""Bitstreams for boards: clock, serial link, synthesis, place and route, report."""

from rtl.bitstream.build import build, plan_of
from rtl.bitstream.pll import clocks_of, fastest_clock
from rtl.bitstream.report import BitstreamReport

__all__ = ["BitstreamReport", "build", "clocks_of", "fastest_clock", "plan_of"]
