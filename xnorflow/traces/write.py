"""Writing a trace in the format that the name of its file selects."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from dataflow import InputError, Network, atomic_write
from hwsim import Timeline
from xnorflow.traces.perfetto import write_perfetto
from xnorflow.traces.vcd import write_vcd

__all__ = ["FORMATS", "format_of", "write_trace"]

Writer = Callable[[Network, Timeline, TextIO], None]

#: The function that writes each kind of trace, by the suffix of the file's name.
FORMATS: Mapping[str, Writer] = {".vcd": write_vcd, ".json": write_perfetto}


def format_of(path: str | os.PathLike[str]) -> Writer:
    """Return the function that writes the trace at `path`.

    Raises
    ------
    InputError
        Unknown suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"Trace file must end in {' or '.join(FORMATS)}, not {str(path)!r}")
    return FORMATS[suffix]


def write_trace(network: Network, timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write a timeline in the format of the file's name, completely or not at all.

    Raises
    ------
    InputError
        Unknown suffix, or a path that cannot be written to.
    """
    write = format_of(path)
    with atomic_write(path, "Trace") as part, part.open("w", encoding="utf-8") as file:
        write(network, timeline, file)
