"""Operations that hardware does, with what their numbers stand for in the model."""

from dataclasses import dataclass

import numpy as np

from dataflow import Integer
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.operations import Average, Join, Single
from quant.lowering.graph.sites import DENSE, Site

__all__ = [
    "BitSums",
    "Classes",
    "InputBits",
    "InputIntegers",
    "Joined",
    "Layer",
    "StackedBits",
    "StackedSums",
    "Sums",
]


@dataclass(frozen=True, eq=False)
class BitSums(Single):
    """The sums of bits, as -1 and +1, below the windows of average pools.

    Parameters
    ----------
    averages : the pools, in order, each adding up what the one in front of it gives
    """

    averages: tuple[Average, ...]


@dataclass(frozen=True, eq=False)
class Joined(Join):
    """The hardware's sum of bits, as -1 and +1, and of integers; the tensor's elements are ``slope * total + offset``.

    Parameters
    ----------
    slope, offset : () or (channels,)
    totals : (points,) int64, all numbers that a total can be, rising
    """

    slope: Constant
    offset: Constant
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class StackedBits(Join):
    """Bits put behind each other; the tensor's elements are `zero` or `one`, (channels,)."""

    zero: Constant
    one: Constant


@dataclass(frozen=True, eq=False)
class StackedSums(Join):
    """Integers put behind each other; the tensor's elements are ``slope * total + offset``.

    Parameters
    ----------
    slope, offset : (channels,)
    totals : (points,) int64, all numbers that a total of any channel can be, rising
    """

    slope: Constant
    offset: Constant
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class InputBits(Single):
    """Integers of the network's input compared with thresholds; the tensor's elements are `zero` or `one`.

    Parameters
    ----------
    element : type of the integers
    thresholds : (features,) int64, ``bit = x >= threshold``
    zero, one : what the two bits stand for, () or (features,)
    """

    element: Integer
    thresholds: np.ndarray
    zero: Constant
    one: Constant


@dataclass(frozen=True, eq=False)
class InputIntegers(Single):
    """The network's input as it is; the tensor's elements are ``slope * integer + offset``.

    Parameters
    ----------
    element : type of the integers
    slope, offset : () or (channels,)
    """

    element: Integer
    slope: Constant
    offset: Constant


@dataclass(frozen=True, eq=False)
class Layer(Single):
    """A matrix of signs with thresholds; the tensor's elements are `zero` or `one`.

    Parameters
    ----------
    signs : (neurons, synapses) int8
    thresholds : (neurons,) int64, ``bit = ones >= threshold``; of integers ``bit = total >= threshold``; where they
        differ by class of positions, see `dataflow.position_classes`, (classes, neurons); behind averages on their sum
    zero, one : what the two bits stand for, () or (neurons,)
    averages, shifts : as of the `Sums` that are compared
    """

    signs: np.ndarray
    thresholds: np.ndarray
    zero: Constant
    one: Constant
    site: Site = DENSE
    averages: tuple[Average, ...] = ()
    shifts: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sums(Single):
    """A matrix of signs; the tensor's elements are ``slope * (total + shift) + offset``.

    Parameters
    ----------
    signs : (neurons, synapses of a group) int8
    slope, offset : () or (neurons,)
    operand : type of the integers that are added, None for bits
    shifts : (classes, neurons) int64 by class of positions, what is lacking of the number outside the image; None
        for no shift
    totals : (points,) int64, all numbers that ``total + shift`` can be, rising
    averages : behind the matrix, in order; ``total + shift`` is then what is left when all of them only add
    variants : further slopes and offsets, where averages have fewer pixels below some of their positions
    """

    signs: np.ndarray
    slope: Constant
    offset: Constant
    totals: np.ndarray
    site: Site = DENSE
    operand: Integer | None = None
    shifts: np.ndarray | None = None
    averages: tuple[Average, ...] = ()
    variants: tuple[tuple[Constant, Constant], ...] = ()


@dataclass(frozen=True, eq=False)
class Classes(Single):
    """The last matrix of signs, and the class with the highest ``scale * total + offset``.

    Parameters
    ----------
    signs : (classes, synapses) int8
    scale, offset : (classes,) int64
    logit_scale, logit_bias : (classes,) float64, for people: ``logits = logit_scale * total + logit_bias``
    averages, shifts : as of the `Sums` that are the scores
    """

    signs: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    logit_scale: np.ndarray
    logit_bias: np.ndarray
    site: Site = DENSE
    averages: tuple[Average, ...] = ()
    shifts: np.ndarray | None = None
