"""What Yosys and nextpnr are doing, from the logs that they write while they run."""

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["LogWatch"]

#: The stage that begins with a line in which the words occur, by program, in the order in which they come.
_STAGES = {
    "yosys": (
        ("Executing FLATTEN pass", "one module"),
        ("Executing MEMORY_LIBMAP pass", "memories"),
        ("Executing ABC9 pass", "logic cells"),
    ),
    "nextpnr": (
        ("Info: Packing ", "packing of cells"),
        ("Info: Running main analytical placer", "placement"),
        ("Info: Routing..", "routing"),
    ),
}

#: nextpnr's router: how many arcs there are, and its table, of which the sixth number tells how many remain.
_ARCS = re.compile(r"Info: Routing (\d+) arcs\.")
_REMAINING = re.compile(r"Info: +\d+ \| +\d+ +\d+ \| +\d+ +\d+ \| +(\d+)\|")


class LogWatch:
    """Follows a log that grows.

    Parameters
    ----------
    log : path of the log, which need not exist yet
    program : ``yosys``, or the name of a nextpnr
    progress : called with the name of a stage when it begins
    advance : called with the share of a stage that is done, where it is known
    """

    def __init__(
        self, log: Path, program: str, progress: Callable[[str], None], advance: Callable[[float], None]
    ) -> None:
        self._log, self._progress, self._advance = log, progress, advance
        self._stages = list(_STAGES.get(program.partition("-")[0], ()))
        self._arcs = 0
        self._read, self._rest = 0, ""

    def look(self) -> None:
        """Read what was added since the last look."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        self._read += len(added)
        *lines, self._rest = (self._rest + added.decode(errors="replace")).split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        for index, (words, stage) in enumerate(self._stages):
            if words in line:
                self._progress(stage)
                del self._stages[: index + 1]
                return
        arcs, remaining = _ARCS.match(line), _REMAINING.match(line)
        if arcs:
            self._arcs = int(arcs[1])
        elif remaining and self._arcs:
            self._advance(max(0.0, 1 - int(remaining[1]) / self._arcs))
