"""Random QONNX graphs from a seed: arrangements that people train, then changes that may break them.

`make` is the entry. About half of the graphs can be lowered: `random_arrangements` grows those, and
`random_changes` puts something odd into every second one.
"""

import numpy as np
import onnx

from tests.quant.lowering.random_arrangements import Grower
from tests.quant.lowering.random_changes import changed
from tests.quant.lowering.random_soups import soup

__all__ = ["make"]


def make(seed: int) -> onnx.ModelProto:
    """Return the graph of a seed."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.08:
        return soup(rng)
    model = Grower(rng).model()
    for _ in range(int(rng.choice(3, p=[0.5, 0.35, 0.15]))):
        model = changed(model, rng)
    return model
