"""Successive halving: of the points that are trained, only those that may still be on the front are trained to the end.

Points are compared after the same epochs, by their objectives with the accuracy of the held-out images at that time.
The best share of them goes on: by their rank (0 for points that none betters, 1 for those that only they better, ...),
and within a rank those in the emptiest places. That is multi-objective successive halving (Schmucker et al.,
Multi-objective asynchronous successive halving, arXiv:2106.12639) in batches, so that it depends on no clock.
"""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["kept", "ranks_of", "rungs_of"]

#: Times that points are compared before the last epoch.
LEVELS = 2


def rungs_of(epochs: int, halving: int) -> tuple[int, ...]:
    """Return the epochs after which points are compared, in order; without the last epoch.

    >>> rungs_of(18, 3)
    (2, 6)
    """
    early = {-(-epochs // halving**level) for level in range(1, LEVELS + 1)}
    return tuple(sorted(early - {epochs}))


def kept(candidates: Mapping[str, Sequence[float]], others: Sequence[Sequence[float]], halving: int) -> set[str]:
    """Return the candidates that go on: those among the best share of all that were compared after the same epochs.

    Parameters
    ----------
    candidates : objectives, of which less is better
    others : those of earlier points
    """
    if not candidates:
        return set()
    values = np.array([*candidates.values(), *others])
    ranks = ranks_of(values)
    order = np.lexsort((-_distances(values, ranks), ranks))
    best = set(order[: -(-len(values) // halving)].tolist())
    return {name for place, name in enumerate(candidates) if place in best}


def ranks_of(values: np.ndarray) -> np.ndarray:
    """Return how many layers of better points are above each: 0 on the front, 1 on that of the rest, and so on.

    Parameters
    ----------
    values : (n, objectives), of which less is better

    Returns
    -------
    ranks : (n,) integers
    """
    betters = np.all(values[:, None] <= values, axis=2) & np.any(values[:, None] < values, axis=2)
    ranks = np.full(len(values), -1)
    rank = 0
    while (left := ranks < 0).any():
        ranks[left & ~betters[left].any(0)] = rank
        rank += 1
    return ranks


def _distances(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return the crowding distances within each rank (Deb et al., NSGA-II, 2002): infinite at the ends."""
    found = np.zeros(len(values))
    for rank in range(ranks.max() + 1):
        members = np.flatnonzero(ranks == rank)
        for column in values[members].T:
            order = np.argsort(column, kind="stable")
            own = column[order]
            gaps = np.full(len(order), np.inf)
            if own[-1] > own[0]:
                gaps[1:-1] = (own[2:] - own[:-2]) / (own[-1] - own[0])
            found[members[order]] += gaps
    return found
