"""What the pages have in common: their templates, and how numbers and names are written."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["figure", "short", "templates"]

#: Maximum number of letters of a name.
MOST_LETTERS = 34


def templates() -> "Environment":
    """Return the templates of the pages; every text is escaped, and an unknown name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("xnorflow.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(figure=figure, short=short)
    return found


def figure(value: float | None) -> str:
    """Return a number as text for people."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{2 if abs(value) < 1000 else 0}f}"


def short(name: str, letters: int = MOST_LETTERS) -> str:
    """Return a name, without its middle if it is too long."""
    if len(name) <= letters:
        return name
    front = (letters - 1) // 2
    return f"{name[:front]}…{name[len(name) - (letters - 1 - front) :]}"
