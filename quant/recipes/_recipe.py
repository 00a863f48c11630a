"""Recipes: their fields, and the rules for each field."""

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import frexp, isfinite, isqrt
from typing import Any, ClassVar

from dataflow import InputError
from dataflow.errors import require_known
from quant import datasets

__all__ = ["ConvolutionalRecipe", "Recipe", "ResidualRecipe"]

#: Least values of the integers.
_LEAST = {"epochs": 1, "batch_size": 2, "seed": 0, "shift": 0, "validation": 0, "threads": 1}

#: Greatest values: torch takes seeds of 64 bits, and OpenMP reserves memory for every thread.
_MOST = {"seed": 2**63 - 1, "threads": 1024}

_PADDINGS = ("valid", "zero")

#: Bits of weights and activations, and of the input.
_BITS, _INPUT_BITS = (1, 2), (1, 2, 8)

#: Rules for channels of stages, by the shortcut between them.
_EQUAL_OR_TWICE = 'each equal to the one before or twice as large with downsample "average"'
_NOT_FALLING = 'each at least the one before with downsample "zeros"'

_STEMS, _AFTER = ("3x3", "7x7"), ("hardtanh", "prelu", "method")
_DOWNSAMPLINGS = ("average", "zeros", "convolution", "binary")

_PRECISIONS = ("32-true", "bf16-mixed")

_OPTIMIZERS, _SCHEDULES = ("adam", "adamw", "sgd"), ("cosine", "linear", "constant")


@dataclass(frozen=True)
class Recipe:
    """How a dense network is trained on cross-entropy.

    Parameters
    ----------
    name : name of the network; the file's name
    dataset : name of the data set
    hidden : neurons of each hidden layer
    epochs : how often each training image is seen
    batch_size : images per step
    method : name of the binarization method (`quant.methods`)
    options : constants of the method that differ from its own
    optimizer : "adam", "adamw" or "sgd" (with Nesterov's momentum)
    learning_rate : at the start of each stage, after the warm-up
    schedule : how the learning rate falls to 0 in each stage: "cosine" (half a period) or "linear"; or "constant"
    warm_up : epochs in which the learning rate rises from 0, at the start of the first stage
    weight_decay : of the weights of layers; scales, slopes, shifts and normalizations have none
    momentum : of "sgd"
    label_smoothing : 0 to less than 1
    clip_gradient : largest norm of all gradients together; 0 for any
    seed : seed of weights, order and augmentation
    shift : training images are shifted by up to this many pixels in both directions and filled with zeros; this is a
        random crop of the image with this many pixels of zeros around it
    shift_chance : fraction of the images that are shifted, drawn again in each epoch
    validation : number of images at the end of the training part that are held out; their accuracy is logged
    threads : processor threads; small networks are fastest with one, and another number changes the rounding of sums
    precision : Lightning's name: "32-true", or "bf16-mixed" for products of layers in bfloat16 (which holds signs
        exactly) and sums rounded to it, which is faster on processors that support it
    weight_bits, activation_bits : 1 for -1 and +1, or 2 for -1, 0 and +1
    input_bits : 1 or 2 as well, or 8 for pixels as multiples of 1/128 from -1 to 127/128
    """

    name: str
    dataset: str
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int = 256
    method: str = "bnn"
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    optimizer: str = "adam"
    learning_rate: float = 0.01
    schedule: str = "cosine"
    warm_up: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    label_smoothing: float = 0.0
    clip_gradient: float = 0.0
    seed: int = 0
    shift: int = 0
    shift_chance: float = 1.0
    validation: int = 0
    threads: int = 1
    precision: str = "32-true"
    weight_bits: int = 1
    activation_bits: int = 1
    input_bits: int = 1

    _least_hidden: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require_known(f"Data set of recipe {self.name!r}", self.dataset, datasets.NAMES)
        sizes = isinstance(self.hidden, tuple) and all(_is_integer(size) and size >= 1 for size in self.hidden)
        least = self._least_hidden
        rule = f"{'one' if least else 'zero'} or more integers of at least 1"
        self._check("hidden", sizes and len(self.hidden) >= least, rule)
        self._check_integers(_LEAST)
        self._check("learning_rate", _is_number(self.learning_rate) and self.learning_rate > 0, "a number above 0")
        self._check("shift_chance", _is_number(self.shift_chance) and 0 <= self.shift_chance <= 1, "from 0 to 1")
        self._check("method", isinstance(self.method, str), "a name")
        self._check("options", isinstance(self.options, dict), "a table of the method's constants")
        require_known(f"optimizer of recipe {self.name!r}", self.optimizer, _OPTIMIZERS)
        require_known(f"schedule of recipe {self.name!r}", self.schedule, _SCHEDULES)
        for name in ("warm_up", "weight_decay", "clip_gradient"):
            value = getattr(self, name)
            self._check(name, _is_number(value) and value >= 0, "a number of at least 0")
        for name in ("momentum", "label_smoothing"):
            value = getattr(self, name)
            self._check(name, _is_number(value) and 0 <= value < 1, "at least 0 and less than 1")
        require_known(f"precision of recipe {self.name!r}", self.precision, _PRECISIONS)
        self._check_choice("weight_bits", _BITS)
        self._check_choice("activation_bits", _BITS)
        self._check_choice("input_bits", _INPUT_BITS)

    def _check_integers(self, least: dict[str, int]) -> None:
        for name, bound in least.items():
            value = getattr(self, name)
            self._check(name, _is_integer(value) and value >= bound, f"an integer of at least {bound}")
            self._check(name, value <= _MOST.get(name, value), f"at most {_MOST.get(name)}")

    def _check_choice(self, name: str, choices: tuple[int, ...]) -> None:
        value = getattr(self, name)
        rule = f"{', '.join(str(choice) for choice in choices[:-1])} or {choices[-1]}"
        self._check(name, _is_integer(value) and value in choices, rule)

    def _check(self, name: str, fulfilled: bool, rule: str) -> None:
        if not fulfilled:
            raise InputError(f"{name} of recipe {self.name!r} must be {rule}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as values for TOML and JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class ConvolutionalRecipe(Recipe):
    """How a network of convolutions and dense layers is trained; `hidden` may be empty.

    Parameters
    ----------
    convolutions : filters of each convolution, and "P" for a max pool of 2 x 2 pixels
    kernel : height and width of every convolution
    padding : "valid" for none, or "zero" for zeros around the signs, with which an image keeps its size
    flip : whether half of the training images, drawn again in each epoch, are mirrored left to right
    """

    convolutions: tuple[int | str, ...]
    kernel: int = 3
    padding: str = "valid"
    input_bits: int = 8
    flip: bool = False

    _least_hidden: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        layers = self.convolutions if isinstance(self.convolutions, tuple) else (None,)
        known = all(layer == "P" or (isinstance(layer, int) and _is_integer(layer) and layer >= 1) for layer in layers)
        rule = 'integers of at least 1 and "P", the first an integer'
        self._check("convolutions", known and len(layers) >= 1 and layers[0] != "P", rule)
        self._check_integers({"kernel": 1})
        require_known(f"padding of recipe {self.name!r}", self.padding, _PADDINGS)
        even = self.padding == "zero" and self.kernel % 2 == 0
        self._check("kernel", not even, 'odd with padding "zero"')
        self._check("flip", isinstance(self.flip, bool), "true or false")

    @property
    def padding_size(self) -> int:
        """Zeros on each side of an image."""
        return self.kernel // 2 if self.padding == "zero" else 0


@dataclass(frozen=True, kw_only=True)
class ResidualRecipe(Recipe):
    """How a residual network with a shortcut for each binary convolution is trained; it has no hidden dense layers.

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
    flip : whether half of the training images, drawn again in each epoch, are mirrored left to right
    """

    widths: tuple[int, ...]
    depth: int
    hidden: tuple[int, ...] = ()
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
    flip: bool = False

    _least_hidden: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("hidden", self.hidden == (), "empty")
        sizes = isinstance(self.widths, tuple) and all(_is_integer(size) and size >= 1 for size in self.widths)
        self._check("widths", sizes and len(self.widths) >= 1, "one or more integers of at least 1")
        self._check_integers({"depth": 1, "stream_bits": 2})
        self._check("stream_bits", self.stream_bits <= 8, "at most 8")
        step = self.stream_step
        power = _is_number(step) and 2.0**-16 <= step <= 2.0**16 and frexp(step)[0] == 0.5
        self._check("stream_step", power, "a power of two from 2**-16 to 2**16")
        for name, choices in (("stem", _STEMS), ("downsample", _DOWNSAMPLINGS), ("after", _AFTER)):
            require_known(f"{name} of recipe {self.name!r}", getattr(self, name), choices)
        for name in ("stem_bits", "head_bits"):
            self._check_choice(name, _INPUT_BITS)
        for name in ("flip", "double_residual"):
            self._check(name, isinstance(getattr(self, name), bool), "true or false")
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


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and isfinite(value))


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
