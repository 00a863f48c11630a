"""The base class of all node kinds."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from dataflow.errors import InputError
from dataflow.families import Family
from dataflow.parts import Structure
from dataflow.schedule import Buffered, Schedule
from dataflow.streams import Stream, are_sizes

__all__ = ["LaneCounts", "Node", "divisors", "frozen_array", "useful_lanes"]

#: Returns the numbers of lanes among which folding chooses, for a given number of numbers, in ascending order.
LaneCounts = Callable[[int], list[int]]


def divisors(number: int) -> list[int]:
    """Return the divisors of `number` in ascending order."""
    return [d for d in range(1, number + 1) if number % d == 0]


def useful_lanes(number: int) -> list[int]:
    """Return the fewest lanes for each possible number of beats of `number` numbers, in ascending order.

    All divisors are among them. Any other number of lanes would only add inert ones.
    """
    return sorted({-(-number // beats) for beats in range(1, number + 1)})


@dataclass(frozen=True, eq=False)
class Node(ABC):
    """A hardware unit of the description.

    Kinds are frozen dataclasses whose fields describe the node completely. Arrays become tensors of the file, other
    fields are stored in its header. `fold_parameters` are the fields that folding may choose.
    """

    name: str

    fold_parameters: ClassVar[tuple[str, ...]] = ()
    array_fields: ClassVar[tuple[str, ...]] = ()

    #: What the node chooses from scores: "class", or "positions" of the highest score of each channel; else "".
    answers: ClassVar[str] = ""

    #: Whether the node only adapts neighbours to each other. Folding inserts such nodes and removes them again.
    fits_neighbours: ClassVar[bool] = False

    #: Whether the node emits only numbers of its input, so that software need not copy them.
    repeats_input: ClassVar[bool] = False

    #: The version of the file format that introduced the kind, and those that introduced its later fields.
    format_version: ClassVar[int] = 1
    later_fields: ClassVar[Mapping[str, int]] = {}

    @property
    def kind(self) -> str:
        return type(self).__name__

    @classmethod
    def word(cls) -> str:
        """Return the word that names the kind's module at every level: ``matrix_vector`` for `MatrixVector`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    @abstractmethod
    def input_streams(self) -> tuple[Stream, ...]:
        """Types of the streams consumed."""

    @property
    @abstractmethod
    def output_streams(self) -> tuple[Stream, ...]:
        """Types of the streams emitted."""

    @abstractmethod
    def schedule(self) -> Schedule | Buffered:
        """Return the token schedule with the current folding."""

    @abstractmethod
    def structure(self) -> Structure:
        """Return the parts of the node with the current folding, from which its cost is computed."""

    def structure_for(self, family: Family) -> Structure:
        """Return the parts of the node as it is built for a device family; most kinds are built alike for all."""
        return self.structure()

    def form_for(self, family: Family) -> str:
        """Return what the node is made of for a device family in particular, or "" if it is built as for any."""
        return ""

    @property
    def is_pipelined(self) -> bool:
        """Whether the node has registers around its memories."""
        return False

    def with_pipelining(self, on: bool) -> Self:
        """Return the node with registers around its memories, or without; most kinds cannot have them."""
        return self

    def with_weight_memory(self, where: str) -> Self:
        """Return the node with its weights in "block" RAM, in "luts", or where it is usual: "auto". Most have none."""
        return self

    @property
    def steps(self) -> int:
        """Steps per frame, the least cycles that a frame costs."""
        return self.schedule().steps

    @property
    def macs(self) -> int:
        """Products (multiply-accumulates) per frame."""
        return 0

    @property
    def weight_bits(self) -> int:
        """Bits of the node's weights."""
        return 0

    @property
    def stored_fields(self) -> tuple[str, ...]:
        """The fields that are part of files and network ids: all except later ones with their default value."""
        names = (each.name for each in fields(self))
        return tuple(name for name in names if name not in self.later_fields or not self._has_default(name))

    def _has_default(self, name: str) -> bool:
        value = getattr(self, name)
        default = next(each.default for each in fields(self) if each.name == name)
        return value is default if name in self.array_fields else bool(value == default)

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        """Yield choices of the `fold_parameters` for the numbers of lanes that `lanes` returns, by default divisors.

        Other numbers of lanes up to those of the shape are legal as well.
        """
        yield {}

    @property
    def folding(self) -> dict[str, int]:
        """The current choice of the `fold_parameters`."""
        return {name: getattr(self, name) for name in self.fold_parameters}

    def folded(self, folding: Mapping[str, int]) -> Self:
        """Return the node with another folding; parameters that are not named are kept."""
        unknown = sorted(set(folding) - set(self.fold_parameters))
        if unknown:
            allowed = ", ".join(self.fold_parameters) or "nothing"
            raise InputError(f"Folding of node {self.name!r} ({self.kind}) must name {allowed}, not {unknown[0]!r}")
        values: dict[str, Any] = dict(folding)
        return replace(self, **values)

    def refolded(self, folding: Mapping[str, int]) -> Self:
        """Return the node with a folding that is known to be legal, such as one of `foldings`, without checking it."""
        other = object.__new__(type(self))
        for each in fields(self):
            object.__setattr__(other, each.name, folding.get(each.name, getattr(self, each.name)))
        return other

    def _check(self, condition: object, thing: str, rule: str, value: object) -> None:
        """Raise InputError with a message that names this node if the condition is false."""
        if not condition:
            raise InputError(f"{thing} of node {self.name!r} must be {rule}, not {value!r}")

    def _check_divides(self, field: str, size: int, what: str) -> None:
        value = getattr(self, field)
        legal = type(value) is int and value >= 1 and size % value == 0
        self._check(legal, field, f"a divisor of its {size} {what}", value)

    def _check_lanes(self, field: str, size: int, what: str) -> None:
        value = getattr(self, field)
        legal = type(value) is int and 1 <= value <= size
        self._check(legal, field, f"1 to {size}, the number of its {what}", value)

    def _check_shape(self, shape: object) -> None:
        self._check(are_sizes(shape), "shape", "positive sizes", shape)


def frozen_array(values: object, dtype: type) -> np.ndarray:
    """Return a read-only copy of an integer array; refuse other dtypes."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"Arrays of a node must hold integers, not {array.dtype}")
    if array.size and (array.min() < np.iinfo(dtype).min or array.max() > np.iinfo(dtype).max):
        raise InputError(f"Arrays of a node must fit {np.dtype(dtype)}, not {array.min()} to {array.max()}")
    array = np.array(array, dtype, order="C")
    array.flags.writeable = False
    return array
