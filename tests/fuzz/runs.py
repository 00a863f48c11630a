"""One command on one damaged file, in a process of its own with limits."""

import multiprocessing
import os
import resource
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

__all__ = ["Outcome", "context", "outcome_of"]

#: Seconds and bytes that a command may take, and bytes of addresses that it may have.
SECONDS, MEMORY, ADDRESSES = 20, 2 << 30, 12 << 30


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Parameters
    ----------
    code : its exit code; None if it was stopped
    bytes : the most memory that it had
    errors : what it printed on standard error
    left : files that it left
    """

    code: int | None
    bytes: int
    errors: str
    left: tuple[str, ...]

    def finding(self, *, sentences: int = 1) -> str | None:
        """Return what is wrong with it, or None.

        Parameters
        ----------
        sentences : how many errors it may name
        """
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}"
        if "Traceback" in self.errors:
            return "a traceback"
        said = [line for line in self.errors.splitlines() if line.startswith("error: ")]
        if self.code == 2 and not 1 <= len(said) <= sentences:
            return f"{len(said)} sentences"
        if self.code == 2 and self.left:
            return f"left {', '.join(self.left)}"
        if self.bytes > MEMORY:
            return f"{self.bytes / 2**30:.1f} GiB"
        return None


def context() -> ForkServerContext:
    """Return a context whose processes start with the packages that commands import."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(
        [
            "xnorflow.main",
            "xnorflow.commands.fold",
            "hwsim",
            "quant.lowering",
            "quant.training",
            "rtl.boards",
            "xnorflow.simulation",
        ]
    )
    return made


def outcome_of(made: ForkServerContext, args: list[str], folder: Path) -> Outcome:
    """Run a command in a folder, and return what it did; files that were there are not counted as left."""
    before = {path.name for path in folder.iterdir()}
    process = made.Process(target=_run, args=(args, str(folder)))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    output = folder.parent / f"{folder.name}.err"
    size = folder.parent / f"{folder.name}.size"
    errors = output.read_text("utf-8", "replace") if output.exists() else ""
    most = int(size.read_text()) if size.exists() else 0
    left = tuple(sorted({path.name for path in folder.iterdir()} - before))
    code = process.exitcode if process.exitcode is not None and process.exitcode >= 0 else None
    for path in (output, size):
        path.unlink(missing_ok=True)
    return Outcome(code, most, errors, left)


def _run(args: list[str], folder: str) -> None:
    os.chdir(folder)
    base = Path(folder)
    errors = os.open(base.parent / f"{base.name}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, nothing), (1, nothing), (2, errors)):
        os.dup2(source, target)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", errors="backslashreplace")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    from xnorflow.main import main

    code = 3
    try:
        main(args)
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (base.parent / f"{base.name}.size").write_text(str(most))
    os._exit(code)
