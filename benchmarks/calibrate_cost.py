"""Measure the cost of hardware with Yosys, and fit the cost model to it: ``python -m benchmarks.calibrate_cost``.

``measure`` synthesizes every sample for every family and adds the missing ones to ``cost_data.csv``. ``fit`` writes
``dataflow/cost_fit.json`` from the samples that are used for fitting. ``check`` prints the model's errors, and
``document`` writes tables of them into ``docs/cost-model.md``.
"""

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from amaranth import unsigned
from amaranth.back import rtlil
from amaranth.lib.wiring import Component

from benchmarks.cost_draws import FifoSample
from benchmarks.cost_errors import COLUMNS, DATA, compared, document, lines, measured, tables
from benchmarks.cost_samples import Sample, samples
from dataflow import Network, Node
from dataflow.cost import cost_parts
from dataflow.families import FAMILIES, Family
from dataflow.parts import Structure, fifo_structure
from rtl.axi import AxiTop
from rtl.bitstream.report import Use, use_of
from rtl.components import Fifo, component_of
from rtl.platforms import FamilyPlatform
from rtl.synthesis import FLOWS, synthesize

__all__ = ["fit", "main"]

#: Strength of the regularization of a price towards one LUT or flip-flop, as a number of samples.
_PULL = 0.5

#: Samples that a part must be in to have a price of its own.
_FEWEST = 2

#: Samples per run of Yosys: enough to share its start-up time, few enough to lose little if it is stopped.
BATCH = 12

FIT = Path(__file__).parent.parent / "dataflow" / "cost_fit.json"


def design_of(sample: Sample, family: str) -> tuple[str, str]:
    """Return a sample's RTLIL for a device family, and the name of its top."""
    thing: Node | FifoSample | Network = sample.thing
    if isinstance(thing, Node):
        design: Component = component_of(thing)
    elif isinstance(thing, FifoSample):
        design = Fifo(unsigned(thing.width), thing.depth)
    else:
        design = AxiTop(thing)
    platform = None if sample.portable else FamilyPlatform(family)
    return rtlil.convert(design, name="top", emit_src=False, platform=platform), "top"


def measure(names: list[str], families: list[str]) -> None:
    """Synthesize the samples that have not been measured yet, a few at a time, and store the results of each batch."""
    for family in families:
        done = measured()
        chosen = [each for each in samples() if not names or any(name in each.name for name in names)]
        due = [each for each in chosen if each.is_for(FAMILIES[family])]
        missing = [each for each in due if (each.name, family) not in done]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            found = synthesize([design_of(sample, family) for sample in batch], family)
            keep({sample.name: cells for sample, cells in zip(batch, found, strict=True)}, family)


def keep(found: dict[str, dict[str, int]], family: str) -> None:
    """Append measured samples to the data, with the cells of each."""
    with DATA.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        for sample, cells in found.items():
            text = " ".join(f"{kind}={cells[kind]}" for kind in sorted(cells))
            writer.writerow({"sample": sample, "family": family, **asdict(use_of(cells, family)), "cells": text})


def structure_of(sample: Sample, family: Family) -> Structure | None:
    """Return the parts of a sample for a device family, or None for a network."""
    if isinstance(sample.thing, FifoSample):
        return fifo_structure(sample.thing.width, sample.thing.depth)
    if isinstance(sample.thing, Network):
        return None
    return sample.thing.structure() if sample.portable else sample.thing.structure_for(family)


def fit() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return the price of each part, by family, kind of unit, resource and part."""
    data = measured()
    fitted = [sample for sample in samples() if sample.fitted]
    prices: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for family in FAMILIES:
        kinds: dict[str, list[tuple[dict[str, float], dict[str, float], Use]]] = {}
        for sample in fitted:
            unit, key = structure_of(sample, FAMILIES[family]), (sample.name, family)
            if unit is not None and key in data:
                kinds.setdefault(unit.kind, []).append((*cost_parts(unit, FAMILIES[family]), data[key]))
        prices[family] = {
            kind: {
                "luts": prices_of([parts for parts, _, _ in found], [use.luts for _, _, use in found]),
                "ffs": prices_of([parts for _, parts, _ in found], [use.ffs for _, _, use in found]),
            }
            for kind, found in sorted(kinds.items())
        }
    return prices


def prices_of(parts: list[dict[str, float]], totals: list[int]) -> dict[str, float]:
    """Return non-negative prices of parts with the least squares of relative errors.

    The error of a sample is relative to its total, or to 20 if it is smaller. A part is designed to be about one LUT
    or flip-flop, so each price is regularized towards 1 with the weight of half of a sample that has the part. It
    stays at 1 if fewer than two samples have it. The solution is found by coordinate descent.

    Parameters
    ----------
    parts, totals : parts and measured total of each sample
    """
    names = sorted({name for each in parts for name in each if each[name]})
    weights = 1 / (np.array(totals, float) + 20)
    matrix = np.array([[each.get(name, 0.0) for name in names] for each in parts]).reshape(-1, len(names))
    matrix, goal = matrix * weights[:, None], np.array(totals) * weights
    # The normal equations are solved for one price after the other, repeatedly, until no price changes.
    pull = _PULL * (matrix**2).sum(axis=0) / np.count_nonzero(matrix, axis=0)
    slopes = matrix.T @ matrix + np.diag(pull)
    goals = matrix.T @ goal + pull
    prices, change = np.ones(len(names)), 1.0
    while change > 1e-7:
        before = prices.copy()
        for index in np.flatnonzero(np.count_nonzero(matrix, axis=0) >= _FEWEST).tolist():
            toward = goals[index] - slopes[index] @ prices
            prices[index] = max(0.0, prices[index] + toward / slopes[index, index])
        change = float(np.abs(prices - before).max(initial=0.0))
    return {name: round(float(price), 4) for name, price in zip(names, prices, strict=True)}


def write_fit() -> None:
    """Write the prices to the file that the model reads."""
    FIT.write_text(json.dumps(fit(), indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the action that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate_cost", description=__doc__)
    parser.add_argument("what", choices=["measure", "fit", "check", "document"])
    parser.add_argument("samples", nargs="*", metavar="TEXT", help="measure samples with this in their names; else all")
    parser.add_argument("--family", action="append", choices=FLOWS, help="measure for this family; else for all")
    arguments = parser.parse_intermixed_args()
    if arguments.what == "measure":
        measure(arguments.samples, arguments.family or list(FLOWS))
    elif arguments.what == "fit":
        write_fit()
    elif arguments.what == "check":
        print("\n".join([*lines(compared()), "", tables(compared())]))
    else:
        document(compared())


if __name__ == "__main__":
    main()
