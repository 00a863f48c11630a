"""``xnorflow boards``."""

from dataclasses import asdict

from xnorflow.commands._options import Json

__all__ = ["boards"]


def boards(json: Json = False) -> None:
    """List the boards for which bitstreams can be built."""
    from rtl.boards import boards as all_boards
    from xnorflow.console import print_json, print_table, table_of

    keys = ("name", "device", "family", "luts", "brams", "dsps", "clock_mhz")
    rows = [{key: value for key, value in asdict(board).items() if key in keys} for board in all_boards()]
    print_table(table_of("boards", keys, [[row[key] for key in keys] for row in rows]))
    if json:
        print_json({"boards": rows})
