"""Points as tables: comma-separated values, for spreadsheets and pandas."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.writing import atomic_write
from xnorflow.exploring.building import Built
from xnorflow.exploring.front import Point
from xnorflow.exploring.space import OBJECTIVES, Space

__all__ = ["ENDLESS", "FRONT", "POINTS", "write_table"]

#: Files of an exploration's folder.
POINTS, FRONT = "points.csv", "front.csv"

#: An interval that JSON can hold, of what has none.
ENDLESS = 1e300

#: Columns of built points.
_BUILT = ("luts_built", "luts_error", "brams_built", "fmax_mhz", "fps_routed", "cycles_compared", "differ", "not_built")


def write_table(path: Path, space: Space, points: list[Point], built: Mapping[int, Built] | None = None) -> None:
    """Write points as CSV: parameters, figures, cycles and where they come from, and what they got in hardware."""
    figures = [name for name in OBJECTIVES if any(name in point.evaluation.figures for point in points)]
    more = _BUILT if built else ()
    cycles = ("interval_cycles", "latency_cycles", "reason", "stopped", "sources")
    with atomic_write(path, "Table") as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["point", *space.parameters, *figures, *cycles, *more])
        for point in points:
            found = point.evaluation
            table.writerow(
                [
                    point.number,
                    *(json.dumps(point.parameters[name]) for name in space.parameters),
                    *(found.figures.get(name, "") for name in figures),
                    "" if found.interval >= ENDLESS else found.interval,
                    found.latency or "",
                    found.reason,
                    found.stopped,
                    " ".join(f"{name}:{source}" for name, source in found.sources.items()),
                    *(_built(built[point.number]) if built and point.number in built else [""] * len(more)),
                ]
            )


def _built(found: Built) -> list[Any]:
    error = f"{found.error:.4f}"
    rate = round(found.fps, 1)
    return [found.luts, error, found.brams, found.fmax_mhz, rate, found.cycles_compared, found.differ, found.reason]
