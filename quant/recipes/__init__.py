"""Training recipes: what is trained, on what, and how; data, not code.

A recipe is a TOML file, one of this folder's by its name or any other by its path.
"""

from quant.recipes._load import from_dict, load, names
from quant.recipes._recipe import ConvolutionalRecipe, Recipe

__all__ = ["ConvolutionalRecipe", "Recipe", "from_dict", "load", "names"]
