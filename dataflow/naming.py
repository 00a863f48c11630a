"""Names that tools accept."""

import re
from collections.abc import Iterable

__all__ = ["encodable", "plain_names"]


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name a unique one that Verilog, waveforms and Python accept as part of an identifier."""
    chosen: dict[str, str] = {}
    for name in names:
        plain = unique = re.sub(r"\W", "_", name.replace(" -> ", "_to_"), flags=re.ASCII)
        copy = 2
        while unique in chosen.values():
            unique, copy = f"{plain}_{copy}", copy + 1
        chosen[name] = unique
    return chosen


def encodable(text: str) -> str:
    """Return a text that can be written to a file: halves of characters, which JSON allows, become question marks."""
    return text.encode("utf-8", "replace").decode()
