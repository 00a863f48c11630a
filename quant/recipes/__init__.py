"""Training recipes: which network is trained, on which data set, and how.

A recipe is a TOML file. Those of this folder are opened by name, others by path.
"""

from quant.recipes._load import changed, from_dict, kind_of, load, names
from quant.recipes._recipe import ConvolutionalRecipe, Recipe, ResidualRecipe

__all__ = ["ConvolutionalRecipe", "Recipe", "ResidualRecipe", "changed", "from_dict", "kind_of", "load", "names"]
