"""``xnorflow method check``."""

from typing import Annotated

import typer

from xnorflow.commands._options import Json

__all__ = ["method"]

method = typer.Typer(help="Check a binarization method, such as one of your own.")


@method.callback()
def _group() -> None:
    """Keep ``check`` a command of its own: typer would make it the group itself."""


@method.command()
def check(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A method's name, or FILE.py:NAME.")],
    rtl: Annotated[bool, typer.Option(help="Compare the RTL as well, in Amaranth's simulator.")] = True,
    json: Json = False,
) -> None:
    """Check that a method trains, and that what it leaves is exact in hardware."""
    from quant.methods.check import MethodCheck
    from xnorflow.console import console, print_json, say
    from xnorflow.method_check import checked

    checks = MethodCheck(name)
    checks.method()  # a method that cannot be loaded is bad input, not a failed check
    found = []
    with console.status("checking small networks"):
        for each in checked(checks, rtl=rtl):
            say(str(each))
            found.append(each)
    failed = sum(not each.passed for each in found)
    say(f"{name}: {f'{failed} of {len(found)} checks failed' if failed else f'all {len(found)} checks passed'}")
    if json:
        print_json({"method": name, "checks": [each.to_json() for each in found], "passed": not failed})
    raise typer.Exit(1 if failed else 0)
