"""Networks of one's own."""

import torch
from torch import nn

from dataflow import InputError
from quant import methods
from quant.binarize import Change, binarize
from quant.codes import with_codes
from quant.recipes import OwnRecipe
from quant.user_files import attribute_of, called

__all__ = ["adopt", "own"]


def own(recipe: OwnRecipe, frame_shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, list[Change]]:
    """Return the untrained network of a recipe's file, and what was done with its layers.

    The function gets those of the arguments ``frame_shape`` (channels, height, width) and ``classes`` that it takes,
    and the recipe's own.

    Raises
    ------
    InputError
        The recipe names no file, the file or the function fails, it returns no network, or a module to keep is not in
        it.
    """
    if not recipe.network:
        raise InputError(f"Recipe {recipe.name!r} must say which network is trained, unless that is given")
    function = attribute_of("Network", recipe.network)
    offered = {"frame_shape": frame_shape, "classes": classes}
    network = called("Network", recipe.network, function, offered, recipe.arguments)
    if not isinstance(network, nn.Module):
        raise InputError(f"Network {recipe.network!r} must return a torch.nn.Module, not {type(network).__name__}")
    return adopt(network, recipe)


def adopt(network: nn.Module, recipe: OwnRecipe) -> tuple[nn.Module, list[Change]]:
    """Return a network with the layers of another, which become binary in place, and what was done with them.

    Layers of Brevitas stay as they are. Streams become codes where hardware needs them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        changes = binarize(network, methods.load(recipe.method, recipe.options), keep=recipe.keep)
    try:
        network, names = with_codes(network, bits=recipe.stream_bits, step=recipe.stream_step)
    except Exception as error:  # of networks that torch.fx cannot follow
        reason = f"its streams are not followed ({' '.join(str(error).split())})"
        return network, [*changes, Change("forward", type(network).__name__, binary=False, reason=reason)]
    reason = f"new, codes of {recipe.stream_bits} bits"
    return network, [*changes, *(Change(name, "QuantIdentity", binary=False, reason=reason) for name in names)]
