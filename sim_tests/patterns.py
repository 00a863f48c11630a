"""The stall patterns that are combined with every size."""

from collections.abc import Iterator

import numpy as np

from dataflow import Network
from hwsim import Stalls, random_stalls

__all__ = ["stall_patterns"]


def stall_patterns(network: Network, *, seed: int = 0) -> Iterator[tuple[str, Stalls]]:
    """Yield the stalls of a network by name: none, at the source, at the sink, at both ends, long and regular."""
    both = random_stalls(network, seed)
    yield "none", Stalls()
    yield "source", Stalls(inputs=both.inputs)
    yield "sink", Stalls(outputs=both.outputs)
    yield "both", both
    late = np.zeros(173, bool)
    late[100] = True
    beside = np.array([False, True, False])
    yield (
        "rare",
        Stalls({end.name: beside for end in network.inputs}, {end.name: late for end in network.outputs}),
    )
