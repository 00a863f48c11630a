"""One call of the command line: how it ends, and the report of an error that is xnorflow's own."""

import json
import platform
import shlex
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from xnorflow import __version__
from xnorflow.streams import OutputError

__all__ = ["InterruptionError", "Invocation"]


class InterruptionError(Exception):
    """The user pressed Ctrl-C; the text, if any, says what was kept and how to continue."""


@dataclass
class Invocation:
    """One call of the command line.

    Parameters
    ----------
    args : arguments after the program's name
    debug : whether an error of xnorflow is shown with its traceback
    """

    args: tuple[str, ...]
    debug: bool = False

    def fail(self, code: int, *texts: str) -> NoReturn:
        """Print one line, ``error: ...``, for each text on standard error, and exit."""
        lines = [" ".join(text.split()) for text in texts]
        self.end(code, "\n".join(lines), *(f"error: {line}" for line in lines))

    def interrupt(self, text: str) -> NoReturn:
        """Say that the user interrupted and what follows from it, and exit with 130."""
        line = f"interrupted: {text or 'no file is half written; the same command starts again'}"
        self.end(130, line, line)

    def report_fault(self, error: BaseException) -> NoReturn:
        """Say that xnorflow failed and what to report, and exit with 3."""
        what = traceback.format_exception_only(error)[-1].strip().splitlines()
        summary = f"xnorflow failed at {_place(error)}: {what[0] if what else type(error).__name__}"
        if self.debug:
            traceback.print_exception(error)
        self.end(3, summary, f"error: {summary}", self._how_to_report())

    def end(self, code: int, summary: str, *lines: str) -> NoReturn:
        """Print lines for people; with ``--json``, standard output gets one object, ``{"error": ...}``; exit."""
        for line in lines:
            print(line, file=sys.stderr)
        if "--json" in self.args:
            with suppress(OutputError):
                print(json.dumps({"error": summary}), flush=True)
        sys.exit(code)

    def _how_to_report(self) -> str:
        traced = "the traceback above" if self.debug else f"the traceback that `{self._command('--debug')}` shows"
        return (
            "This is an error of xnorflow, not of what it was given. Please report it to the maintainers of xnorflow, "
            f"in the issue tracker of the place where you got it, with the command `{self._command()}`, the "
            f"files that it reads, {traced}, and these versions: xnorflow {__version__}, Python "
            f"{platform.python_version()}, {platform.platform()}."
        )

    def _command(self, *options: str) -> str:
        given = [arg for arg in self.args if arg not in options]
        return shlex.join(["xnorflow", *options, *given])


def _place(error: BaseException) -> str:
    """Return the module and line of ours that the error comes from, the innermost one if there are several."""
    frames = list(traceback.walk_tb(error.__traceback__))
    ours = [(frame.f_globals.get("__name__", ""), line) for frame, line in frames]
    ours = [(name, line) for name, line in ours if name.partition(".")[0] in _PACKAGES]
    name, line = ours[-1] if ours else ("xnorflow", 0)
    return f"{name}, line {line}"


_PACKAGES = {"dataflow", "hwsim", "quant", "rtl", "sim_tests", "xnorflow", "zoo"}
