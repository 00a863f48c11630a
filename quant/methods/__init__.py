"""Binarization methods: how real-valued weights become signs, and how gradients pass signs.

`Method` says what a method consists of, each method is a file of its own, and `METHODS` lists them. `Shared` is what
the layers of one network have in common; `deployed` returns what is left of a network at inference.
"""

from quant.estimators import BEYOND_ONE
from quant.methods._deploy import deployed
from quant.methods._layers import (
    BinaryConv1d,
    BinaryConv2d,
    BinaryLayer,
    BinaryLinear,
    BinarySign,
    Shared,
    binary_layers,
    shared_of,
)
from quant.methods._load import METHODS, load
from quant.methods._method import Clock, Method, Stage
from quant.methods.bnn import BNN

__all__ = [
    "BEYOND_ONE",
    "BNN",
    "METHODS",
    "BinaryConv1d",
    "BinaryConv2d",
    "BinaryLayer",
    "BinaryLinear",
    "BinarySign",
    "Clock",
    "Method",
    "Shared",
    "Stage",
    "binary_layers",
    "deployed",
    "load",
    "shared_of",
]
