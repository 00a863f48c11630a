"""Training, export and lowering of binary networks.

``quant.train(network, data, recipe, out=folder)`` trains a network of torch; everything else is in the modules.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from quant.datasets import Dataset
    from quant.recipes import OwnRecipe
    from quant.training import TrainingResult

__all__ = ["train"]


def train(
    network: "nn.Module",
    data: "str | os.PathLike[str] | tuple[Dataset, Dataset] | None",
    recipe: "OwnRecipe",
    *,
    out: str | os.PathLike[str],
    **options: Any,
) -> "TrainingResult":
    """Train a network of torch or Brevitas layers; its layers of torch become binary in place, and are trained.

    What is exported has quantizers before additions, too; `quant.checkpoints.load_checkpoint` returns all of it.

    Parameters
    ----------
    network : maps (n, channels, height, width) float32 in 0 to 1 to (n, classes) scores
    data : training and test images, or a folder of data sets, of which the recipe names one
    recipe : how it is trained, such as ``OwnRecipe(name="mine", dataset="cifar10", epochs=20, keep=("stem", "fc"))``
    out : folder for ``model.onnx``, ``checkpoint.ckpt``, ``metrics.json``, ``log/``
    options : the others of `quant.training.train`, such as ``resume=True``

    Raises
    ------
    InputError
        As `quant.training.train`.
    """
    from quant.training import train as run  # imported here because data sets and recipes need no torch

    return run(recipe, network=network, data=data, out=out, **options)
