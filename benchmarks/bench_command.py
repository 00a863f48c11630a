"""The command line in a fresh process: seconds and memory."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.networks import SFC, folded
from benchmarks.rows import Measurement, run_python
from dataflow import save_network

__all__ = ["rows"]


def rows() -> list[Measurement]:
    """Return time and memory of ``xnorflow simulate`` and ``xnorflow --help``."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sfc.xnf"
        save_network(folded(SFC, 4096), path)
        arguments = ["-m", "xnorflow", "simulate", str(path), "--frames", "10000", "--json"]
        run_python(arguments)  # compiles and caches the numba functions
        simulate = run_python(arguments)
    assert json.loads(simulate.output)["frames"] == 10_000
    shown = min((run_python(["-m", "xnorflow", "--help"]) for _ in range(3)), key=lambda process: process.seconds)
    return [
        Measurement(
            "xnorflow simulate, SFC, 10,000 random frames, values and cycles", simulate.seconds, "s", "<= 10 s"
        ),
        Measurement("the same, peak memory", simulate.peak_megabytes, "MB", "<= 1000 MB"),
        Measurement("xnorflow --help", shown.seconds, "s", "<= 0.5 s"),
    ]
