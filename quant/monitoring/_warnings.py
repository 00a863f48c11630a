"""Early warnings: what the figures of an epoch say about a training, while there is time to stop it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quant.recipes import Recipe
from quant.tasks import Task

__all__ = ["DEAD", "FLIPPING", "new_warnings"]

#: Share of the weights of a layer that change their sign in an epoch, and of dead channels, above which a warning says
#: so. Where all signs are drawn by chance, half of them change, in a small layer a little more or less.
FLIPPING, DEAD = 0.45, 0.1

#: Share of weights at a bound or without a gradient, above which it is them that keep signs from changing.
_STUCK = 0.9

#: Part of the recipe's learning rate above which an epoch without a flip is a sign of too small a rate.
_LARGE = 0.1

#: Most names of layers in a sentence.
_NAMES = 3

Entry = Mapping[str, Any]


def new_warnings(
    history: Sequence[Entry], recipe: Recipe, task: Task, said: Sequence[Entry], *, penalty: float = 0.0
) -> list[dict[str, Any]]:
    """Return the warnings of the last epoch that are not among those said before, each kind once in a training.

    Parameters
    ----------
    history : the figures of all epochs so far
    task : what is learned
    said : the warnings before
    penalty : what the method adds to the loss

    Returns
    -------
    warnings : each with ``epoch``, from 1, ``kind`` and ``text``, one sentence
    """
    texts = {kind: check(history, recipe, task, penalty) for kind, check in _CHECKS.items()}
    before = {warning["kind"] for warning in said}
    epoch = history[-1]["epoch"]
    return [{"epoch": epoch, "kind": kind, "text": text} for kind, text in texts.items() if text and kind not in before]


def _guessing(history: Sequence[Entry], recipe: Recipe, task: Task, penalty: float) -> str:
    guess = task.guess()
    if guess is None or recipe.teacher or len(history) < 2:
        return ""
    if min(entry["loss"] for entry in history) < guess + penalty:
        return ""
    return (
        f"Loss must fall below that of guessing, ln({task.outputs}) = {guess:.4f}, not be {history[-1]['loss']:.5g} "
        f"after {len(history)} epochs: try another learning_rate than {recipe.learning_rate:g}, and look at some "
        "images with their labels"
    )


def _still(history: Sequence[Entry], recipe: Recipe, task: Task, penalty: float) -> str:
    flips, rate = history[-1].get("flips", {}), history[-1]["learning_rate"]
    if not flips or any(flips.values()) or rate < _LARGE * recipe.learning_rate:
        return ""
    saturated = history[-1]["weights_saturated"].values()
    stuck = sum(saturated) > _STUCK * len(saturated)
    grown = any(share > FLIPPING for entry in history for share in entry.get("flips", {}).values())
    cause = f"the mean learning rate {rate:.3g} is too small for their size"
    if stuck or grown:
        cause = "learning rates were so large that weights no longer move"
    return f"Some weights of the binary layers must change their sign in an epoch, not none: {cause}"


def _restless(history: Sequence[Entry], recipe: Recipe, task: Task, penalty: float) -> str:
    flips = {name: share for name, share in history[-1].get("flips", {}).items() if share > FLIPPING}
    if not flips:
        return ""
    return (
        f"Weights of a layer must mostly keep their sign over an epoch, not change it in {max(flips.values()):.0%} of "
        f"{_named(flips)}, as by chance: the mean learning rate {history[-1]['learning_rate']:.3g} is too large for "
        "their size"
    )


def _one_sign(history: Sequence[Entry], recipe: Recipe, task: Task, penalty: float) -> str:
    shares = {name: share for name, share in history[-1].get("positive", {}).items() if share in (0, 1)}
    if not shares:
        return ""
    return (
        f"Weights of a layer must have both signs, not one as those of {_named(shares)}: it adds its inputs and learns "
        "nothing else, so try a smaller learning_rate or another method"
    )


def _dead(history: Sequence[Entry], recipe: Recipe, task: Task, penalty: float) -> str:
    dead = {name: share for name, share in history[-1].get("dead", {}).items() if share > DEAD}
    if not dead:
        return ""
    return (
        f"Signs of a channel must change over the training images, not be the same as in {max(dead.values()):.0%} of "
        f"the channels of {_named(dead)}: these cost hardware and say nothing, so try a smaller learning_rate or fewer "
        "channels"
    )


#: The checks by the kind of their warning; each returns a sentence, or nothing.
_CHECKS: dict[str, Callable[[Sequence[Entry], Recipe, Task, float], str]] = {
    "guessing": _guessing,
    "no flips": _still,
    "many flips": _restless,
    "one sign": _one_sign,
    "dead channels": _dead,
}


def _named(layers: Mapping[str, float]) -> str:
    """Return the names of layers, the most affected first."""
    names = sorted(layers, key=lambda name: -layers[name])
    more = len(names) - _NAMES
    text = ", ".join(names[:_NAMES])
    return text if more <= 0 else f"{text} and {more} more"
