"""Random QONNX graphs from a seed: arrangements that people train, then changes that may break them.

`make` is the entry. About half of the graphs can be lowered: `random_arrangements` grows those, and
`random_changes` puts something odd into every second one.
"""

from typing import Any

import numpy as np
import onnx

from tests.quant.lowering.random_arrangements import Grower
from tests.quant.lowering.random_changes import changed
from tests.quant.lowering.random_soups import soup

__all__ = ["make", "options_of"]


def make(seed: int) -> onnx.ModelProto:
    """Return the graph of a seed."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.08:
        return soup(rng)
    model = Grower(rng).model()
    for _ in range(int(rng.choice(3, p=[0.5, 0.35, 0.15]))):
        model = changed(model, rng)
    return model


def options_of(seed: int) -> dict[str, Any]:
    """Return what `lower` is asked for with the graph of a seed; mostly nothing."""
    rng = np.random.default_rng([seed, 1])
    options: dict[str, Any] = {}
    if rng.random() < 0.15:
        options["input_kind"] = str(rng.choice(["uint8", "uint8/255", "quant", "auto"]))
    if rng.random() < 0.15:
        options["outputs"] = str(rng.choice(["class", "positions", "scores", "both", "bits"]))
    if rng.random() < 0.1:
        options["weight_tolerance"] = float(rng.choice([1e-6, 0.1, 0.5]))
    return options
