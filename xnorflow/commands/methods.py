"""``xnorflow methods``."""

from dataclasses import MISSING, fields

from xnorflow.commands._options import Json

__all__ = ["methods"]


def methods(json: Json = False) -> None:
    """List the binarization methods that a recipe can name."""
    from quant.methods import METHODS
    from xnorflow.console import print_json, print_table, table_of

    found = [
        {
            "name": name,
            "title": method.title,
            "source": method.source,
            "residue": method.residue,
            "options": {each.name: each.default for each in fields(method) if each.default is not MISSING},
        }
        for name, method in METHODS.items()
    ]
    if json:
        print_json({"methods": found})
        return
    rows = [(each["name"], each["title"], each["residue"], each["source"]) for each in found]
    print_table(table_of("Methods of a recipe", ("method", "what it is", "left at inference", "source"), rows))
