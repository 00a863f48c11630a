"""What a shell offers for an argument that is being typed."""

from glob import escape, glob
from pathlib import Path

__all__ = ["boards", "families", "networks", "recipes"]


def networks(incomplete: str) -> list[str]:
    """Return names of the zoo, folders, and files with networks or models."""
    import zoo

    return [name for name in zoo.names() if name.startswith(incomplete)] + _files(incomplete, ".xnf", ".onnx")


def recipes(incomplete: str) -> list[str]:
    """Return names of recipes, folders and TOML files."""
    from quant import recipes

    return [name for name in recipes.names() if name.startswith(incomplete)] + _files(incomplete, ".toml")


def boards(incomplete: str) -> list[str]:
    """Return names of boards."""
    from rtl.boards import boards

    return [board.name for board in boards() if board.name.startswith(incomplete)]


def families(incomplete: str) -> list[str]:
    """Return names of device families."""
    from dataflow.families import FAMILIES

    return [name for name in FAMILIES if name.startswith(incomplete)]


def _files(incomplete: str, *endings: str) -> list[str]:
    """Return the files with one of the endings that begin so, and the folders, with a slash."""
    found = []
    for name in sorted(glob(f"{escape(incomplete)}*")):
        if Path(name).is_dir():
            found.append(f"{name}/")
        elif name.endswith(endings):
            found.append(name)
    return found
