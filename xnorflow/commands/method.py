"""``xnorflow method check``."""

from typing import Annotated

import typer

from xnorflow.commands._options import Json

__all__ = ["method"]

method = typer.Typer(help="Check a binarization method, such as one of your own.", invoke_without_command=True)


@method.callback()
def _group(context: typer.Context) -> None:
    """Keep ``check`` a command of its own, which typer would make the group itself; without it, print the help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@method.command()
def check(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A method's name, or FILE.py:NAME.")],
    rtl: Annotated[bool, typer.Option(help="Compare the RTL as well, in Amaranth's simulator.")] = True,
    json: Json = False,
) -> None:
    """Check that a method trains, and that what it leaves is exact in hardware."""
    from quant.methods.check import MethodCheck
    from xnorflow.console import Phases, print_json, say
    from xnorflow.method_check import checked

    checks = MethodCheck(name)
    checks.method()  # a method that cannot be loaded is bad input, not a failed check
    found = []
    with Phases() as phases:
        phases("checking small networks")
        for each in checked(checks, rtl=rtl):
            phases.say(str(each))
            found.append(each)
    failed = sum(not each.passed for each in found)
    say(f"{name}: {f'{failed} of {len(found)} checks failed' if failed else f'all {len(found)} checks passed'}")
    if json:
        print_json({"method": name, "checks": [each.to_json() for each in found], "passed": not failed})
    raise typer.Exit(1 if failed else 0)
