"""Training recipes: which network is trained, on which data set, and how.

A recipe is a TOML file. Those of this folder are opened by name, others by path.
"""

from quant.recipes._load import changed, from_dict, load, names
from quant.recipes._networks import ConvolutionalRecipe, DenseRecipe, LayeredRecipe, OwnRecipe, ResidualRecipe
from quant.recipes._recipe import Recipe

__all__ = [
    "ConvolutionalRecipe",
    "DenseRecipe",
    "LayeredRecipe",
    "OwnRecipe",
    "Recipe",
    "ResidualRecipe",
    "changed",
    "from_dict",
    "load",
    "names",
]
