"""Training recipes: what is trained, on what, and how; data, not code.

A recipe is a TOML file, one of this folder's by its name or any other by its path.
"""

from quant.recipes._recipe import Recipe, load, names

__all__ = ["Recipe", "load", "names"]
