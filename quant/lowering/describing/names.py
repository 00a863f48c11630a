"""Names of nodes: those of the exporter, each once."""

import re
from collections.abc import Iterable

from quant.lowering.graph.operations import Operation

__all__ = ["Names", "clean_name"]

_TAKEN = {"input", "class", "scores"}


def clean_name(name: str) -> str:
    """Return a name of letters, digits and underscores; torch's own prefix goes."""
    cleaned = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return re.sub(r"^node_+", "", cleaned)


class Names:
    """The names that are taken: a node's own, or with the tensor's where that is taken.

    Parameters
    ----------
    terminals : names of the network's ends
    """

    def __init__(self, operations: Iterable[Operation], terminals: Iterable[str] = ()) -> None:
        self._taken = {*_TAKEN, *terminals}
        self._names: dict[str, str] = {}
        for operation in operations:
            own, tensor = clean_name(operation.name), clean_name(operation.output)
            self._names[operation.output] = self.take(own, f"{own}_{tensor}".strip("_"), f"node_{own}_{tensor}")

    def of(self, operation: Operation) -> str:
        """Return the name of an operation."""
        return self._names[operation.output]

    def take(self, *options: str) -> str:
        """Return the first name that is free, longer by underscores if none is; it is taken then."""
        name = next((each for each in options if each and each not in self._taken), options[-1])
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
