"""The network of a recipe."""

from typing import Any

from torch import nn

from quant import methods
from quant.methods import shared_of
from quant.models._own import own
from quant.models._residual import residual
from quant.models._sequential import convolutional, dense
from quant.recipes import ConvolutionalRecipe, DenseRecipe, LayeredRecipe, OwnRecipe, Recipe, ResidualRecipe

__all__ = ["build"]


def build(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained network of a recipe.

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    classes : number of scores

    Raises
    ------
    InputError
        The frame is too small for so many layers, the recipe's method or one of its options is unknown or out of
        range, a file of the user fails, or the recipe says of no network.
    """
    if isinstance(recipe, OwnRecipe):
        return own(recipe, frame_shape, classes)[0]
    network = _built(recipe, frame_shape, classes)
    shared_of(network).method.prepare(network)
    return network


def _built(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    options: dict[str, Any] = {"method": methods.load(recipe.method, recipe.options)}
    if isinstance(recipe, LayeredRecipe):
        options |= {name: getattr(recipe, name) for name in ("weight_bits", "activation_bits", "input_bits")}
    if isinstance(recipe, ConvolutionalRecipe):
        options |= {"kernel": recipe.kernel, "padding": recipe.padding_size}
        return convolutional(frame_shape, recipe.convolutions, recipe.hidden, classes, **options)
    if isinstance(recipe, ResidualRecipe):
        codes = ("stream_bits", "stream_step", "stem_bits", "head_bits")
        names = ("stem", "downsample", "after", *codes, "groups", "columns", "double_residual")
        options |= {name: getattr(recipe, name) for name in names}
        return residual(frame_shape, recipe.widths, recipe.depth, classes, **options)
    if isinstance(recipe, DenseRecipe):
        return dense(frame_shape, recipe.hidden, classes, **options)
    raise TypeError(f"Recipe must be of a kind that has a network, not {type(recipe).__name__}")
