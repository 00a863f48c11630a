"""What a recipe trains: a dense, a convolutional or a residual network, or one of one's own."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import frexp, isqrt
from typing import Any, ClassVar

from dataflow.errors import require_known
from quant.recipes._recipe import Recipe, is_integer, is_number

__all__ = ["KINDS", "ConvolutionalRecipe", "DenseRecipe", "LayeredRecipe", "OwnRecipe", "ResidualRecipe"]

_PADDINGS = ("valid", "zero")

#: Bits of weights and activations, and of the input.
_BITS, _INPUT_BITS = (1, 2), (1, 2, 8)

#: Rules for channels of stages, by the shortcut between them.
_EQUAL_OR_TWICE = 'each equal to the one before or twice as large with downsample "average"'
_NOT_FALLING = 'each at least the one before with downsample "zeros"'

_STEMS, _AFTER = ("3x3", "7x7"), ("hardtanh", "prelu", "method")
_DOWNSAMPLINGS = ("average", "zeros", "convolution", "binary")


class GridRecipe(Recipe):
    """A recipe of codes that shortcuts add."""

    stream_bits: int
    stream_step: float

    def _check_grid(self) -> None:
        self._check_integers({"stream_bits": 2})
        self._check("stream_bits", self.stream_bits <= 8, "at most 8")
        step = self.stream_step
        power = is_number(step) and 2.0**-16 <= step <= 2.0**16 and frexp(step)[0] == 0.5
        self._check("stream_step", power, "a power of two from 2**-16 to 2**16")


@dataclass(frozen=True, kw_only=True)
class LayeredRecipe(Recipe):
    """How one of the package's networks is trained.

    Parameters
    ----------
    weight_bits, activation_bits : 1 for -1 and +1, or 2 for -1, 0 and +1
    input_bits : 1 or 2 as well, or 8 for pixels as multiples of 1/128 from -1 to 127/128
    """

    weight_bits: int = 1
    activation_bits: int = 1
    input_bits: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("weight_bits", _BITS)
        self._check_choice("activation_bits", _BITS)
        self._check_choice("input_bits", _INPUT_BITS)
        self._check("task", self.task == "classify", '"classify"; other tasks have networks of your own')


@dataclass(frozen=True, kw_only=True)
class DenseRecipe(LayeredRecipe):
    """How a dense network is trained.

    Parameters
    ----------
    hidden : neurons of each hidden layer
    """

    hidden: tuple[int, ...]

    kind: ClassVar[str] = "dense"
    _least_hidden: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = isinstance(self.hidden, tuple) and all(is_integer(size) and size >= 1 for size in self.hidden)
        rule = f"{'one' if self._least_hidden else 'zero'} or more integers of at least 1"
        self._check("hidden", sizes and len(self.hidden) >= self._least_hidden, rule)


@dataclass(frozen=True, kw_only=True)
class ConvolutionalRecipe(DenseRecipe):
    """How a network of convolutions and dense layers is trained; `hidden` may be empty.

    Parameters
    ----------
    convolutions : filters of each convolution, and "P" for a max pool of 2 x 2 pixels
    kernel : height and width of every convolution
    padding : "valid" for none, or "zero" for zeros around the signs, with which an image keeps its size
    """

    convolutions: tuple[int | str, ...]
    kernel: int = 3
    padding: str = "valid"
    input_bits: int = 8

    kind: ClassVar[str] = "convolutional"
    _least_hidden: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        layers = self.convolutions if isinstance(self.convolutions, tuple) else (None,)
        known = all(layer == "P" or (isinstance(layer, int) and is_integer(layer) and layer >= 1) for layer in layers)
        rule = 'integers of at least 1 and "P", the first an integer'
        self._check("convolutions", known and len(layers) >= 1 and layers[0] != "P", rule)
        self._check_integers({"kernel": 1})
        require_known(f"padding of recipe {self.name!r}", self.padding, _PADDINGS)
        even = self.padding == "zero" and self.kernel % 2 == 0
        self._check("kernel", not even, 'odd with padding "zero"')

    @property
    def padding_size(self) -> int:
        """Zeros on each side of an image."""
        return self.kernel // 2 if self.padding == "zero" else 0


@dataclass(frozen=True, kw_only=True)
class ResidualRecipe(LayeredRecipe, GridRecipe):
    """How a residual network with a shortcut for each binary convolution is trained.

    Parameters
    ----------
    widths : channels of each stage; all stages but the first halve the image
    depth : convolutions of each stage, or blocks of several columns
    stem : "3x3", or "7x7" for a convolution of stride 2 and a max pool of 3 x 3 pixels with stride 2
    downsample : the shortcut that halves the image: "average", "zeros", "convolution" or "binary"
    after : what follows an addition, "hardtanh", "prelu", or "method" for what the method has there
    stream_bits, stream_step : bits of the codes that are added, and their step, a power of two
    stem_bits, head_bits : bits of the weights of the first convolution and of the dense layer, 1, 2 or 8
    groups : of the convolutions in blocks, a square number; all widths are multiplied by its root
    columns : paths of a block, 1 to 4; with more than one, it is the mean of a longer path and of one convolution
    double_residual : whether each convolution has a shortcut; otherwise two have one, and `depth` is even
    """

    widths: tuple[int, ...]
    depth: int
    input_bits: int = 8
    stem: str = "3x3"
    downsample: str = "average"
    after: str = "hardtanh"
    stream_bits: int = 8
    stream_step: float = 2.0**-6
    stem_bits: int = 8
    head_bits: int = 8
    groups: int = 1
    columns: int = 1
    double_residual: bool = True

    kind: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = isinstance(self.widths, tuple) and all(is_integer(size) and size >= 1 for size in self.widths)
        self._check("widths", sizes and len(self.widths) >= 1, "one or more integers of at least 1")
        self._check_integers({"depth": 1})
        self._check_grid()
        for name, choices in (("stem", _STEMS), ("downsample", _DOWNSAMPLINGS), ("after", _AFTER)):
            require_known(f"{name} of recipe {self.name!r}", getattr(self, name), choices)
        for name in ("stem_bits", "head_bits"):
            self._check_choice(name, _INPUT_BITS)
        self._check("double_residual", isinstance(self.double_residual, bool), "true or false")
        self._check_integers({"groups": 1, "columns": 1})
        self._check("columns", self.columns <= 4, "at most 4")
        root = isqrt(self.groups)
        fitting = root**2 == self.groups and not any(width % root for width in self.widths)
        self._check("groups", fitting, "a square number whose root divides all widths")
        self._check("depth", self.double_residual or self.depth % 2 == 0, "even without double_residual")
        pairs = list(pairwise(self.widths))
        if self.downsample == "average":
            self._check("widths", all(after in (before, 2 * before) for before, after in pairs), _EQUAL_OR_TWICE)
        if self.downsample == "zeros":
            self._check("widths", all(after >= before for before, after in pairs), _NOT_FALLING)


@dataclass(frozen=True, kw_only=True)
class OwnRecipe(GridRecipe):
    """How a network of one's own is trained.

    Parameters
    ----------
    network : file and function that returns the network, as in ``my_net.py:build`` (`quant.models.own`); empty if the
        network itself is given to the training
    arguments : further arguments of the function
    keep : patterns of names of modules that do not become binary (`quant.binarize`)
    stream_bits, stream_step : bits of the codes that shortcuts add, and their step, a power of two
    """

    network: str = ""
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    keep: tuple[str, ...] = ()
    stream_bits: int = 8
    stream_step: float = 2.0**-5

    kind: ClassVar[str] = "your own"
    tables: ClassVar[tuple[str, ...]] = (*Recipe.tables, "arguments")

    def __post_init__(self) -> None:
        super().__post_init__()
        named = isinstance(self.network, str) and (":" in self.network or not self.network)
        self._check("network", named, "FILE.py:FUNCTION")
        self._check("arguments", isinstance(self.arguments, dict), "a table of the function's arguments")
        names = isinstance(self.keep, tuple) and all(isinstance(each, str) for each in self.keep)
        self._check("keep", names, "a list of names")
        self._check_grid()


#: The kinds of recipes, by the key that only they have; the last is without any of the others.
KINDS: dict[str, type[Recipe]] = {
    "convolutions": ConvolutionalRecipe,
    "widths": ResidualRecipe,
    "network": OwnRecipe,
    "hidden": DenseRecipe,
}
