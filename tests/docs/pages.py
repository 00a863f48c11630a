"""Runs the examples of a page in their order: Python, sessions of a shell, and files that both need.

A block of ``python`` is run, or if it begins with ``>>>`` compared as a doctest. A block of ``console`` has commands
after ``$``; where output follows, it must be what the command prints, with ``...`` for any text. A block of ``toml`` or
``python`` whose first line is ``# NAME.toml`` or ``# NAME.py`` is written to that file. All others are shown only.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example, Region
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from tests.xnorflow.command_line import run

__all__ = ["run_page"]

#: Returns what was printed on standard output and standard error since the last call.
Printed = Callable[[], tuple[str, str]]


def run_page(page: Path, printed: Printed, *, fast: bool) -> None:
    """Run the examples of a page in the current folder.

    Parameters
    ----------
    fast : leave out what the page marks as slow, by ``<!-- skip: next if(fast, reason="...") -->``
    """
    parsers = (FilesAndPython(), CodeBlockParser("toml", write), CodeBlockParser("console", Session(printed)))
    document = Document.parse(str(page), *parsers, SkipParser())
    document.namespace.update(fast=fast, icarus=shutil.which("iverilog") is not None)
    for example in document.examples():
        with suppress(SkipTest):
            example.evaluate()


class FilesAndPython(PythonCodeBlockParser):
    """Python to run, unless its first line names a file."""

    def __call__(self, document: Document) -> Iterable[Region]:
        for region in super().__call__(document):
            if isinstance(region.parsed, str) and _file_of(region.parsed):
                region.evaluator = write
            yield region


def write(example: Example) -> None:
    """Write a block to the file that its first line names, if it names one."""
    if name := _file_of(example.parsed):
        Path(name).write_text(example.parsed, encoding="utf-8")


def _file_of(text: str) -> str | None:
    found = re.match(r"# ([\w-]+\.\w+)\n", text)
    return found and found[1]


class Session:
    """Runs commands, and compares what they print; a command that fails must show its error."""

    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def __call__(self, example: Example) -> str | None:
        for each in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
            command, expected = each.split("\n", 1)
            words = shlex.split(command, comments=True)
            self._printed()
            match words[0]:
                case "xnorflow":
                    code = run(*words[1:])
                case "cd":
                    os.chdir(words[1])
                    code = 0
                case _:
                    code = subprocess.run(command, shell=True, check=False).returncode
            out, err = self._printed()
            if code:
                out += err
            out = re.sub(r" +$", "", out, flags=re.MULTILINE)
            if (expected or code) and not OutputChecker().check_output(expected, out, ELLIPSIS):
                return f"{command!r} should print\n{expected}and prints\n{out}with exit code {code}"
        return None
