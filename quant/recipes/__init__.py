"""Training recipes: which network is trained, on which data set, and how.

A recipe is a TOML file. Those of this folder are opened by name, others by path.
"""

from quant.recipes._load import from_dict, load, names
from quant.recipes._recipe import ConvolutionalRecipe, Recipe

__all__ = ["ConvolutionalRecipe", "Recipe", "from_dict", "load", "names"]
