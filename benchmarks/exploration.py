"""Fronts of the samplers at an equal number of points: ``python -m benchmarks.exploration SPACE.toml``.

Each sampler searches the space with several seeds. The hypervolume of a front is the share of the objectives' space
that its points better, with objectives as logarithms, from the worst value of all searches to the best: 1 would be a
point that is best in all. Ends with exit code 1 if a sampler's mean is below that of random points.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import moocore
import numpy as np
from rich.console import Console

from xnorflow.exploring import Point, Space, explore, front_of, read_space
from xnorflow.exploring.front import losses

__all__ = ["hypervolumes", "main"]

#: The samplers, the one that others are compared with first.
COMPARED = ("random", "tpe", "nsga2")


def hypervolumes(space: Space, searches: list[list[Point]]) -> list[float]:
    """Return the hypervolumes of the fronts of several searches, 0 to 1."""
    fronts = [_logarithms(space, front_of(space, points)) for points in searches]
    everything = np.concatenate([_logarithms(space, [each for each in points if each.complete]) for points in searches])
    low, high = everything.min(0), everything.max(0)
    spans = np.where(high > low, high - low, 1.0)
    return [float(moocore.hypervolume((front - low) / spans, ref=np.ones(len(low)))) for front in fronts]


def _logarithms(space: Space, points: list[Point]) -> np.ndarray:
    """Return logarithms of one more than the objectives, of which less is better; (points, objectives)."""
    values = np.array([losses(space, point.evaluation.figures) for point in points])
    return np.sign(values) * np.log1p(np.abs(values))


def main() -> None:
    """Search with each sampler and seed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("space", type=Path, help="TOML file; its sampler and seed are replaced")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--data", help="folder of data sets")
    arguments = parser.parse_args()
    space = replace(read_space(arguments.space), points=arguments.points)
    searches = {}
    with TemporaryDirectory() as folder, Console(stderr=True).status("points ...") as status:
        for seed in range(arguments.seeds):
            for sampler in COMPARED:
                status.update(f"seed {seed}: {sampler} ...")
                chosen = replace(space, sampler=sampler, seed=seed)
                out = Path(folder) / f"{sampler}-{seed}"
                searches[sampler, seed] = explore(chosen, out, data=arguments.data, workers=arguments.workers)
    found = dict(zip(searches, hypervolumes(space, list(searches.values())), strict=True))
    print("| seed | " + " | ".join(COMPARED) + " |\n|---|" + "---|" * len(COMPARED))
    for seed in range(arguments.seeds):
        print(f"| {seed} | " + " | ".join(f"{found[sampler, seed]:.4f}" for sampler in COMPARED) + " |")
    means = {sampler: mean(found[sampler, seed] for seed in range(arguments.seeds)) for sampler in COMPARED}
    print("| mean | " + " | ".join(f"{means[sampler]:.4f}" for sampler in COMPARED) + " |")
    raise SystemExit(min(means.values()) < means[COMPARED[0]])


if __name__ == "__main__":
    main()
