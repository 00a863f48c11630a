"""One call of the command line, and the report of an error that is xnorflow's own."""

import json
import platform
import shlex
import sys
import traceback
from dataclasses import dataclass
from typing import NoReturn

from xnorflow import __version__

__all__ = ["InterruptionError", "Invocation"]


class InterruptionError(Exception):
    """The user pressed Ctrl-C; the text, if any, says how to continue."""


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

    def report_fault(self, error: BaseException) -> NoReturn:
        """Say that xnorflow failed and what to report, and exit with 3.

        People read it on standard error. With ``--json``, standard output gets one object, ``{"error": ...}``.
        """
        what = traceback.format_exception_only(error)[-1].strip().splitlines()
        summary = f"xnorflow failed at {_place(error)}: {what[0] if what else type(error).__name__}"
        if self.debug:
            traceback.print_exception(error)
        print(f"error: {summary}", file=sys.stderr)
        print(self._how_to_report(), file=sys.stderr)
        if "--json" in self.args:
            print(json.dumps({"error": summary}))
        sys.exit(3)

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
