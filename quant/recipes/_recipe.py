"""Recipes: how a network is trained, and the rules for each field. What is trained is said in `_networks`."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, ClassVar

from dataflow import InputError
from dataflow.errors import require_known
from quant import datasets

__all__ = ["Recipe", "is_integer", "is_number"]

#: Least values of the integers.
_LEAST = {"epochs": 1, "batch_size": 2, "seed": 0, "shift": 0, "threads": 1, "cycles": 1}

#: Greatest values: torch takes seeds of 64 bits, and OpenMP reserves memory for every thread.
_MOST = {"seed": 2**63 - 1, "threads": 1024}

_PRECISIONS = ("32-true", "bf16-mixed")

_OPTIMIZERS, _SCHEDULES = ("adam", "adamw", "sgd"), ("cosine", "linear", "step", "constant")

_AUGMENTATIONS = ("none", "rand", "trivial")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    name : name of the network; the file's name
    dataset : name of the data set, or data of one's own (`quant.datasets.load`)
    task : "classify", "segment", "keypoints" or "restore" (`quant.tasks`)
    image_size : height and width to which images of a folder are scaled and cropped; empty for images of one size
    skip_broken : leave broken images of a folder out, instead of refusing them
    epochs : how often each training image is seen
    batch_size : images per step
    method : name of the binarization method (`quant.methods`)
    options : constants of the method that differ from its own
    optimizer : "adam", "adamw" or "sgd" (with Nesterov's momentum)
    learning_rate : at the start of each stage, after the warm-up
    rates : factors of the learning rate of parameters, by patterns of their names such as ``fc*``; the first that fits
    schedule : how the learning rate falls in each stage: to 0 by "cosine" (half a period) or "linear", to a tenth at
        each milestone by "step", or "constant"
    milestones : of "step", parts of a stage, 0 to 1
    cycles : how often the learning rate falls in each stage; it starts again after each fall (Loshchilov and Hutter
        2017), so that the first cycle of two is a whole training of half the epochs
    cycle_rate : factor of the learning rate from each cycle to the next
    warm_up : epochs in which the learning rate rises from 0, at the start of the first stage
    weight_decay : of the weights of layers; scales, slopes, shifts and normalizations have none
    momentum : of "sgd"
    label_smoothing : 0 to less than 1
    clip_gradient : largest norm of all gradients together; 0 for any
    average : factor of the running average of all parameters, such as 0.999, whose network is the result; 0 for none
    teacher : network whose scores are learned too (`quant.teachers.load`); empty for none
    distillation : weight of the teacher's part of the loss, 0 to 1
    temperature : by which scores of both networks are divided for the teacher's part
    seed : seed of weights, order and augmentation
    shift : training images are shifted by up to this many pixels in both directions and filled with zeros; this is a
        random crop of the image with this many pixels of zeros around it
    shift_chance : fraction of the images that are shifted, drawn again in each epoch
    flip : whether half of the training images, drawn again in each epoch, are mirrored left to right
    crop : least part of an image's area that a random crop has, which is scaled to the image's size, with a ratio of
        sides of 3/4 to 4/3; 1 for none
    augment : "rand" for RandAugment (Cubuk et al. 2020, two operations of magnitude 9), "trivial" for TrivialAugment
        (Mueller and Hutter 2021), or "none"
    mixup : parameter of the beta distribution by which pairs of images and labels are mixed (Zhang et al. 2018); 0 for
        none
    validation : number of training images that are held out, or their fraction if less than 1; their accuracy is logged
    threads : processor threads; small networks are fastest with one, and another number changes the rounding of sums
    precision : Lightning's name: "32-true", or "bf16-mixed" for products of layers in bfloat16 (which holds signs
        exactly) and sums rounded to it, which is faster on processors that support it
    compiled : whether torch compiles the network's steps, as one graph each; on a GPU they are captured, so that the
        host does not hold them up. Sums may be rounded otherwise
    """

    name: str
    dataset: str
    task: str = "classify"
    image_size: tuple[int, ...] = ()
    skip_broken: bool = False
    epochs: int
    batch_size: int = 256
    method: str = "bnn"
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    optimizer: str = "adam"
    learning_rate: float = 0.01
    rates: dict[str, Any] = field(default_factory=dict, hash=False)
    schedule: str = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)
    cycles: int = 1
    cycle_rate: float = 1.0
    warm_up: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    label_smoothing: float = 0.0
    clip_gradient: float = 0.0
    average: float = 0.0
    teacher: str = ""
    distillation: float = 0.5
    temperature: float = 4.0
    seed: int = 0
    shift: int = 0
    shift_chance: float = 1.0
    flip: bool = False
    crop: float = 1.0
    augment: str = "none"
    mixup: float = 0.0
    validation: float = 0.05
    threads: int = 1
    precision: str = "32-true"
    compiled: bool = False

    #: What such a network is called.
    kind: ClassVar[str] = ""

    #: Fields that are tables with keys of their own, such as constants of the method.
    tables: ClassVar[tuple[str, ...]] = ("options", "rates")

    def __post_init__(self) -> None:
        datasets.require(f"Data set of recipe {self.name!r}", self.dataset)
        require_known(f"task of recipe {self.name!r}", self.task, datasets.TASKS)
        self._check_integers(_LEAST)
        size = self.image_size
        sized = isinstance(size, tuple) and len(size) in (0, 2) and all(is_integer(each) and each >= 1 for each in size)
        self._check("image_size", sized, "two integers of at least 1, height and width, or empty")
        for name in ("learning_rate", "cycle_rate", "temperature"):
            self._check(name, is_number(getattr(self, name)) and getattr(self, name) > 0, "a number above 0")
        for name in ("method", "teacher"):
            self._check(name, isinstance(getattr(self, name), str), "a name")
        self._check("options", isinstance(self.options, dict), "a table of the method's constants")
        factors = isinstance(self.rates, dict) and all(is_number(each) and each >= 0 for each in self.rates.values())
        self._check("rates", factors, "a table of numbers of at least 0, by patterns of names")
        parts = isinstance(self.milestones, tuple) and all(is_number(part) and 0 < part < 1 for part in self.milestones)
        self._check("milestones", parts, "numbers between 0 and 1")
        choices = {
            "optimizer": _OPTIMIZERS,
            "schedule": _SCHEDULES,
            "precision": _PRECISIONS,
            "augment": _AUGMENTATIONS,
        }
        for name, known in choices.items():
            require_known(f"{name} of recipe {self.name!r}", getattr(self, name), known)
        for name in ("warm_up", "weight_decay", "clip_gradient", "mixup"):
            self._check(name, is_number(getattr(self, name)) and getattr(self, name) >= 0, "a number of at least 0")
        for name in ("momentum", "label_smoothing", "average"):
            value = getattr(self, name)
            self._check(name, is_number(value) and 0 <= value < 1, "at least 0 and less than 1")
        self._check("crop", is_number(self.crop) and 0 < self.crop <= 1, "above 0 and at most 1")
        for name in ("shift_chance", "distillation"):
            self._check(name, is_number(getattr(self, name)) and 0 <= getattr(self, name) <= 1, "from 0 to 1")
        held = self.validation
        held_out = is_number(held) and held >= 0 and (held < 1 or is_integer(held))
        self._check("validation", held_out, "a number of images, or a fraction of at least 0 and less than 1")
        for name in ("flip", "skip_broken", "compiled"):
            self._check(name, isinstance(getattr(self, name), bool), "true or false")

        self._check_task()

    def _check_task(self) -> None:
        """Check that the task has what the recipe says; positions in images must not move without their targets."""
        free: dict[str, tuple[object, tuple[str, ...]]] = {
            "augment": ("none", ("classify",)),
            "crop": (1.0, ("classify",)),
            "mixup": (0, ("classify",)),
            "teacher": ("", ("classify",)),
            "label_smoothing": (0, ("classify", "segment")),
            "shift": (0, ("classify", "segment", "restore")),
            "flip": (False, ("classify", "segment", "restore")),
        }
        for name, (value, tasks) in free.items():
            rule = f"{value!r} unless the task is {' or '.join(tasks)}"
            self._check(name, self.task in tasks or getattr(self, name) == value, rule)

    def held_out(self, count: int) -> int:
        """Return how many of `count` training images are held out."""
        return int(self.validation) if self.validation >= 1 else int(self.validation * count)

    def _check_integers(self, least: dict[str, int]) -> None:
        for name, bound in least.items():
            value = getattr(self, name)
            self._check(name, is_integer(value) and value >= bound, f"an integer of at least {bound}")
            self._check(name, value <= _MOST.get(name, value), f"at most {_MOST.get(name)}")

    def _check_choice(self, name: str, choices: tuple[int, ...]) -> None:
        value = getattr(self, name)
        rule = f"{', '.join(str(choice) for choice in choices[:-1])} or {choices[-1]}"
        self._check(name, is_integer(value) and value in choices, rule)

    def _check(self, name: str, fulfilled: bool, rule: str) -> None:
        if not fulfilled:
            raise InputError(f"{name} of recipe {self.name!r} must be {rule}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as values for TOML and JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def is_number(value: Any) -> bool:
    """Return whether a value is an integer or a finite float."""
    return is_integer(value) or (isinstance(value, float) and isfinite(value))


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)
