"""ArgMax on plain integers."""

import numpy as np

from dataflow import ArgMax

__all__ = ["arg_max"]


def arg_max(node: ArgMax, x: np.ndarray) -> np.ndarray:
    """Find the class with the highest key ``scale*score + offset``, at each position; the lowest index at a tie.

    Parameters
    ----------
    x : (frames, *positions, classes) int64

    Returns
    -------
    (frames, *positions, 1) int64
    """
    y = np.empty((*x.shape[:-1], 1), np.int64)
    for place in np.ndindex(y.shape[:-1]):
        scores = x[place].tolist()
        best, best_key = 0, None
        for index, (score, scale, offset) in enumerate(
            zip(scores, node.scale.tolist(), node.offset.tolist(), strict=True)
        ):
            key = scale * score + offset
            if best_key is None or key > best_key:
                best, best_key = index, key
        y[(*place, 0)] = best
    return y
