"""The command line: one command for each module of `xnorflow.commands`.

Heavy packages are imported only when a command runs, so that ``xnorflow --help`` is fast.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from xnorflow import __version__
from xnorflow.commands.bitstream import bitstream
from xnorflow.commands.boards import boards
from xnorflow.commands.demo import demo
from xnorflow.commands.explore import explore
from xnorflow.commands.fold import fold
from xnorflow.commands.lower import lower
from xnorflow.commands.method import method
from xnorflow.commands.methods import methods
from xnorflow.commands.quantize import quantize
from xnorflow.commands.report import report
from xnorflow.commands.run import run
from xnorflow.commands.show import show
from xnorflow.commands.simulate import simulate
from xnorflow.commands.train import train
from xnorflow.commands.verify import verify
from xnorflow.commands.verilog import verilog
from xnorflow.invocation import InterruptionError, Invocation

__all__ = ["app"]


class _Commands(TyperGroup):
    """The commands, whose interruptions reach `xnorflow.main.main` with their text."""

    def invoke(self, ctx: Any) -> Any:
        # Typer turns KeyboardInterrupt into a bare exit code and EOFError into an "abort", which say less.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise InterruptionError(str(interrupt)) from interrupt
        except EOFError as error:
            raise RuntimeError(f"File ended too early: {error}") from error


app = typer.Typer(
    cls=_Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    help="Binary neural networks from Brevitas to FPGA bitstreams, proved equal at every step.",
)

COMMANDS = (
    *(train, quantize, lower, show, fold, simulate, verilog, verify, bitstream, run, report, explore),
    *(demo, boards, methods),
)

for command in COMMANDS:
    app.command()(command)
app.add_typer(method, name="method")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"xnorflow {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="XNORFLOW_DEBUG", help="Show the traceback of an error of xnorflow.")
    ] = False,
) -> None:
    """Take the options of the whole program, which are given before the command; without one, print the help."""
    if isinstance(context.obj, Invocation):
        context.obj.debug = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
