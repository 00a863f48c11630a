"""The network of any recipe without its training, by lowering what it would train; slower than a sketch."""

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow import Network
from quant import recipes
from quant.recipes import Recipe

__all__ = ["untrained"]

#: Random images that give normalizations their statistics, so that thresholds are about as far apart as trained ones.
_IMAGES = 64


def untrained(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> Network:
    """Return what lowering gives for the network of a recipe before its training.

    Parameters
    ----------
    frame_shape : (height, width, channels) of an image
    classes : number of scores

    Raises
    ------
    InputError
        No network has the recipe's sizes, or it cannot be lowered.
    """
    return _untrained(json.dumps(recipe.to_dict(), sort_keys=True), frame_shape, classes)


@lru_cache(maxsize=64)
def _untrained(recipe_text: str, frame_shape: tuple[int, int, int], classes: int) -> Network:
    import torch

    from quant.checkpoints import new_network
    from quant.export import export
    from xnorflow.networks import lowered_network

    height, width, channels = frame_shape
    recipe = recipes.from_dict(json.loads(recipe_text))
    network = new_network(recipe, (channels, height, width), classes)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(recipe.seed)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # statistics are those of all images so far, not mostly what they began with
        network.train()
        network(torch.rand(_IMAGES, channels, height, width))
    network.eval()
    with TemporaryDirectory(prefix="xnorflow-") as folder:
        export(network, (channels, height, width), Path(folder) / "model.onnx")
        return lowered_network(Path(folder) / "model.onnx")
