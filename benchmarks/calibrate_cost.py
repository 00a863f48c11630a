"""Measure what hardware costs by Yosys, and fit the cost model to it: ``python -m benchmarks.calibrate_cost``.

``measure`` synthesizes every sample for every family and adds a line to ``cost_data.csv`` for each that is not there
yet. ``fit`` writes ``dataflow/cost_fit.json`` from the samples meant for it. ``check`` tells how far the model is off.
"""

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from amaranth import unsigned
from amaranth.back import rtlil

from benchmarks.cost_samples import FifoSample, Sample, samples
from dataflow import Cost, Network, Node, fifo_cost, network_cost, node_cost
from dataflow.cost import cost_parts
from dataflow.families import FAMILIES
from dataflow.structure import Structure, fifo_structure, structure
from rtl.axi import AxiTop
from rtl.bitstream.report import Use
from rtl.components import Fifo, component_of
from rtl.synthesis import FLOWS, synthesize

__all__ = ["main", "measured"]

#: Samples per run of Yosys: many share its start, few are lost if it is stopped.
BATCH = 12

DATA = Path(__file__).with_name("cost_data.csv")
FIT = Path(__file__).parent.parent / "dataflow" / "cost_fit.json"
COLUMNS = ("sample", "family", "luts", "ffs", "brams", "dsps")


def design_of(sample: Sample) -> tuple[str, str]:
    """Return a sample's RTLIL and the name of its top."""
    thing = sample.thing
    if isinstance(thing, Node):
        return rtlil.convert(component_of(thing), name="top", emit_src=False), "top"
    if isinstance(thing, FifoSample):
        return rtlil.convert(Fifo(unsigned(thing.width), thing.depth), name="top", emit_src=False), "top"
    return rtlil.convert(AxiTop(thing), name="top", emit_src=False), "top"


def measured() -> dict[tuple[str, str], Use]:
    """Return what has been measured, by sample and family."""
    if not DATA.exists():
        return {}
    with DATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["sample"], row["family"]): Use(*(int(row[name]) for name in COLUMNS[2:])) for row in rows}


def measure(names: list[str], families: list[str]) -> None:
    """Synthesize what has not been measured yet, a few at a time; their results are kept at once."""
    for family in families:
        done = measured()
        chosen = [each for each in samples() if not names or any(name in each.name for name in names)]
        missing = [each for each in chosen if (each.name, family) not in done]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            uses = synthesize([design_of(sample) for sample in batch], family)
            keep({(sample.name, family): use for sample, use in zip(batch, uses, strict=True)})


def keep(uses: dict[tuple[str, str], Use]) -> None:
    """Add what has been measured to the data."""
    with DATA.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        for (sample, family), use in uses.items():
            writer.writerow({"sample": sample, "family": family, **asdict(use)})


def structure_of(sample: Sample) -> Structure | None:
    """Return what a sample is made of; None of a network."""
    if isinstance(sample.thing, FifoSample):
        return fifo_structure(sample.thing.width, sample.thing.depth)
    return None if isinstance(sample.thing, Network) else structure(sample.thing)


def estimate_of(sample: Sample, family: str) -> Cost:
    """Return what the model says that a sample costs."""
    if isinstance(sample.thing, FifoSample):
        return fifo_cost(sample.thing.width, sample.thing.depth, family)
    return (network_cost if isinstance(sample.thing, Network) else node_cost)(sample.thing, family)


def fit() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return what each part costs: by family, kind of unit, resource, part.

    ECP5 has the most samples; its prices are what those of the others are drawn to where they have few.
    """
    data, prices = measured(), {}
    for family in ("ecp5", *sorted(set(FAMILIES) - {"ecp5"})):
        kinds: dict[str, list[tuple[dict, dict, Use]]] = {kind: [] for kind in prices.get("ecp5", {})}
        for sample in samples():
            unit = structure_of(sample)
            if unit is not None and sample.fitted and (sample.name, family) in data:
                parts = cost_parts(unit, FAMILIES[family])
                kinds.setdefault(unit.kind, []).append((*parts, data[sample.name, family]))
        known = prices.get("ecp5", {})
        prices[family] = {
            kind: {
                resource: prices_of(
                    [found[index] for found in kinds[kind]],
                    [getattr(found[2], resource) for found in kinds[kind]],
                    known.get(kind, {}).get(resource, {}),
                )
                for index, resource in enumerate(("luts", "ffs"))
            }
            for kind in sorted(kinds)
        }
    return prices


def prices_of(parts: list[dict[str, float]], totals: list[int], known: dict[str, float]) -> dict[str, float]:
    """Return the prices of parts, none negative, with the least squares of relative errors.

    What a sample lacks or exceeds counts relative to it, and to 20 for small ones. Solved by coordinate descent.

    Parameters
    ----------
    parts, totals : of each sample
    known : prices to be drawn to, as much as half of a sample does
    """
    names = sorted({name for each in parts for name in each if each[name]} | set(known))
    weights = 1 / (np.array(totals, float) + 20)
    matrix = np.array([[each.get(name, 0.0) for name in names] for each in parts]).reshape(-1, len(names))
    matrix, goal = matrix * weights[:, None], np.array(totals) * weights
    middle = np.array([known.get(name, 0.0) for name in names])
    squares = (matrix**2).sum(axis=0)
    pull = squares * (0.5 / max(1, len(parts)) if known else 0.0) + 1e-9
    prices = middle.copy()
    rest = goal - matrix @ prices
    for _ in range(5_000):
        for index in range(len(names)):
            toward = matrix[:, index] @ rest + pull[index] * (middle[index] - prices[index])
            better = max(0.0, prices[index] + toward / (squares[index] + pull[index]))
            rest -= matrix[:, index] * (better - prices[index])
            prices[index] = better
    return {name: round(float(price), 4) for name, price in zip(names, prices, strict=True) if price > 1e-4}


def write_fit() -> None:
    """Write what each part costs where the model reads it."""
    FIT.write_text(json.dumps(fit(), indent=1) + "\n", encoding="utf-8")


def check() -> None:
    """Print what the model and Yosys say: all samples, those first that are the furthest off, then tables."""
    rows = _compared()
    for error, sample, family, said, use in sorted(rows, key=lambda row: -row[0]):
        mark = "fitted" if sample.fitted else "kept  "
        print(f"{error:7.1%} {mark} {family:8} {sample.name}: {said} {use}")
    _print_head(
        "family", "fitted", "kept", "LUTs off, median", "LUTs off, most", "flip-flops off, most", "block RAMs off"
    )
    for family in FAMILIES:
        units = [row for row in rows if row[2] == family and not isinstance(row[1].thing, Network)]
        kept = [row for row in units if not row[1].fitted]
        if kept:
            errors = [row[0] for row in kept]
            flops = max(abs(said.ffs - use.ffs) / use.ffs for _, _, _, said, use in kept)
            wrong = sum(said.brams != use.brams for _, _, _, said, use in units)
            figures = f"{np.median(errors):.1%} | {max(errors):.1%} | {flops:.1%} | {wrong} of {len(units)}"
            print(f"| {family} | {len(units) - len(kept)} | {len(kept)} | {figures} |")
    counts = [f"{count}{what}" for count in ("LUTs", "flip-flops", "block RAMs") for what in (" estimated", "")]
    _print_head("network", "family", *counts, "LUTs off")
    for error, sample, family, said, use in rows:
        if isinstance(sample.thing, Network):
            figures = f"{said.luts:,} | {use.luts:,} | {said.ffs:,} | {use.ffs:,} | {said.brams} | {use.brams}"
            print(f"| {sample.name} | {family} | {figures} | {error:.1%} |")


def _print_head(*names: str) -> None:
    """Print the head of a table in Markdown."""
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")


def _compared() -> list[tuple[float, Sample, str, Cost, Use]]:
    """Return for all that was measured how far the LUTs are off, the sample, its family, the estimate, the netlist.

    Relative to the netlist's LUTs, or to 20 of those that have fewer.
    """
    data, rows = measured(), []
    for sample in samples():
        for family in FAMILIES:
            if (sample.name, family) in data:
                use, said = data[sample.name, family], estimate_of(sample, family)
                rows.append((abs(said.luts - use.luts) / max(use.luts, 20), sample, family, said, use))
    return rows


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate_cost", description=__doc__)
    parser.add_argument("what", choices=["measure", "fit", "check"])
    parser.add_argument("samples", nargs="*", metavar="TEXT", help="measure samples with this in their names; else all")
    parser.add_argument("--family", action="append", choices=FLOWS, help="measure for this family; else for all")
    arguments = parser.parse_args()
    if arguments.what == "measure":
        measure(arguments.samples, arguments.family or list(FLOWS))
    elif arguments.what == "fit":
        write_fit()
    else:
        check()


if __name__ == "__main__":
    main()
