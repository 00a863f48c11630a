"""Costs of foldings over intervals, which must never rise: ``python -m benchmarks.folding_costs [NETWORK ...]``.

Each network of the zoo is folded to intervals from its shortest to its longest, for each device family. The price is
logic cells and, for each block RAM, as many cells as it is worth in the family. Ends with exit code 1 if a longer
interval has a higher price.
"""

import argparse
import csv
import sys
import time
from itertools import pairwise

import zoo
from dataflow import network_cost
from dataflow.choices import FoldingChoices
from dataflow.families import FAMILIES
from xnorflow.folding import fold_to
from xnorflow.networks import open_network

__all__ = ["main"]


def main() -> None:
    """Walk the intervals, and print a line of CSV for each folding."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("networks", nargs="*", default=zoo.names(), help="names of the zoo; default: all")
    parser.add_argument("--family", choices=list(FAMILIES), action="append", help="default: all")
    parser.add_argument("--count", type=int, default=6, help="intervals of each walk")
    arguments = parser.parse_args()
    table = csv.writer(sys.stdout)
    table.writerow(["network", "family", "asked", "interval", "price", "cells", "brams", "seconds"])
    rises = 0
    for name in arguments.networks:
        network = open_network(name)
        for family in arguments.family or FAMILIES:
            choices = FoldingChoices(network, family)
            prices = []
            for asked in _spread(choices.intervals, arguments.count):
                start = time.process_time()
                folded = fold_to(network, asked, family=family)
                cost = network_cost(folded, family)
                prices.append(choices.price(folded))
                seconds = round(time.process_time() - start, 1)
                row = [folded.interval, round(prices[-1], 1), cost.cells(family), cost.brams, seconds]
                table.writerow([name, family, asked, *row])
                sys.stdout.flush()
            rises += sum(later > earlier for earlier, later in pairwise(prices))
    print(f"{rises} prices rise", file=sys.stderr)
    raise SystemExit(rises > 0)


def _spread(intervals: list[int], count: int) -> list[int]:
    """Return so many of the intervals, evenly over the places of the list; the last is the longest."""
    last = len(intervals) - 1
    return [intervals[round(last * (place + 1) / count)] for place in range(count)]


if __name__ == "__main__":
    main()
