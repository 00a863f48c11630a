"""Errors of the cost model on the samples, relative to Yosys' results."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.cost_draws import FifoSample
from benchmarks.cost_samples import Sample, samples
from dataflow import Cost, Network, fifo_cost, network_cost, node_cost
from dataflow.families import FAMILIES
from rtl.bitstream.report import Use, use_of

__all__ = ["COLUMNS", "DATA", "PAGE", "Compared", "compared", "document", "lines", "measured", "tables"]

DATA = Path(__file__).with_name("cost_data.csv")
COLUMNS = ("sample", "family", "luts", "ffs", "brams", "dsps", "cells")

PAGE = Path(__file__).parent.parent / "docs" / "cost-model.md"
#: The lines of the page between which the tables are.
_MARKS = "<!-- benchmarks.calibrate_cost document: begin -->", "<!-- end -->"


class Compared(NamedTuple):
    """A sample in a family: the model's estimate and Yosys' result."""

    sample: Sample
    family: str
    said: Cost
    use: Use

    @property
    def error(self) -> float:
        """The error of the LUTs, relative to those of the netlist, or to 20 if it has fewer."""
        return abs(self.said.luts - self.use.luts) / max(self.use.luts, 20)

    @property
    def is_network(self) -> bool:
        """Whether the sample is a whole network."""
        return isinstance(self.sample.thing, Network)


def measured() -> dict[tuple[str, str], Use]:
    """Return the measured resources, by sample and family."""
    if not DATA.exists():
        return {}
    with DATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["sample"], row["family"]): use_of(_cells(row["cells"]), row["family"]) for row in rows}


def _cells(text: str) -> dict[str, int]:
    """Return the number of cells of each kind, from ``KIND=COUNT`` separated by spaces."""
    return {kind: int(count) for kind, count in (each.split("=") for each in text.split())}


def compared() -> list[Compared]:
    """Return all measured samples with the model's estimates."""
    data = measured()
    return [
        Compared(sample, family, _estimate_of(sample, family), data[sample.name, family])
        for sample in samples()
        for family in FAMILIES
        if (sample.name, family) in data
    ]


def _estimate_of(sample: Sample, family: str) -> Cost:
    """Return the model's estimate of a sample."""
    if isinstance(sample.thing, FifoSample):
        return fifo_cost(sample.thing.width, sample.thing.depth, family)
    if isinstance(sample.thing, Network):
        return network_cost(sample.thing, family)
    return node_cost(sample.thing, family, portable=sample.portable)


def lines(rows: list[Compared]) -> list[str]:
    """Return a line for each sample, the largest errors first."""
    found = []
    for row in sorted(rows, key=lambda row: -row.error):
        mark = "fitted" if row.sample.fitted else "fresh " if row.sample.fresh else "kept  "
        found.append(f"{row.error:7.1%} {mark} {row.family:8} {row.sample.name}: {row.said} {row.use}")
    return found


def tables(rows: list[Compared]) -> str:
    """Return tables in Markdown with the errors of single units and of networks."""
    heads = (
        "family",
        "samples",
        "how many",
        "LUTs off, median",
        "LUTs off, most",
        "flip-flops off, most",
        "block RAMs off",
    )
    units = [row for row in rows if not row.is_network]
    kinds = {
        "fitted": [row for row in units if row.sample.fitted],
        "kept": [row for row in units if not row.sample.fitted and not row.sample.fresh],
        "fresh": [row for row in units if row.sample.fresh],
    }
    cells = [
        (family, kind, *_errors([row for row in chosen if row.family == family]))
        for family in FAMILIES
        for kind, chosen in kinds.items()
        if any(row.family == family for row in chosen)
    ]
    counts = [f"{count}{what}" for count in ("LUTs", "flip-flops", "block RAMs") for what in (" estimated", "")]
    networks = [(row.sample.name, row.family, *_figures(row), f"{row.error:.1%}") for row in rows if row.is_network]
    return _table(heads, cells) + "\n\n" + _table(("network", "family", *counts, "LUTs off"), networks)


def _errors(rows: list[Compared]) -> tuple[str, ...]:
    """Return the number of samples and their errors."""
    errors = [row.error for row in rows]
    flops = max(abs(row.said.ffs - row.use.ffs) / max(row.use.ffs, 20) for row in rows)
    wrong = sum(row.said.brams != row.use.brams for row in rows)
    return str(len(rows)), f"{np.median(errors):.1%}", f"{max(errors):.1%}", f"{flops:.1%}", str(wrong)


def _figures(row: Compared) -> tuple[str, ...]:
    """Return estimated and measured LUTs, flip-flops and block RAMs."""
    pairs = [(row.said.luts, row.use.luts), (row.said.ffs, row.use.ffs), (row.said.brams, row.use.brams)]
    return tuple(f"{figure:,}" for pair in pairs for figure in pair)


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    heads = list(heads)
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def document(rows: list[Compared]) -> None:
    """Write the tables into the documentation of the model."""
    begin, end = _MARKS
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    _, after = rest.split(end)
    PAGE.write_text(f"{before}{begin}\n{tables(rows)}\n{end}{after}", encoding="utf-8")
