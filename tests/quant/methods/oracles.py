"""The formulas of the methods, written out in numpy: what weights become, and which gradients arrive.

Weights are (filters, synapses) float64, and a layer's outputs ``x @ w.T`` times its factors. ``g`` is the gradient that
arrives at the scaled weights. Source: the papers that the docstrings of `quant.methods` name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np

__all__ = ["ACTIVATIONS", "WEIGHTS", "Weights"]

Array = np.ndarray


@dataclass(frozen=True)
class Weights:
    """What a method makes of weights.

    Parameters
    ----------
    signs : -1 and +1, or in a stage with real weights what stands for them
    factors : (filters,) of the outputs
    gradient : of the latent weights, from that of the scaled ones
    """

    signs: Array
    factors: Array
    gradient: Callable[[Array], Array]


def sign(values: Array) -> Array:
    return np.where(values >= 0, 1.0, -1.0)


def inside(values: Array) -> Array:
    return (np.abs(values) <= 1).astype(float)


def mean_size(values: Array) -> Array:
    return np.abs(values).mean(1)


def through_mean(gradient: Array) -> Array:
    """The gradient of ``w`` from that of ``w - mean(w)``."""
    return gradient - gradient.mean(1, keepdims=True)


def through_deviation(gradient: Array, weights: Array, factor: float = 1.0) -> Array:
    """The gradient of ``w`` from that of ``factor (w - mean(w)) / std(w)``, the deviation unbiased."""
    centred = weights - weights.mean(1, keepdims=True)
    deviation = centred.std(1, ddof=1, keepdims=True)
    inner = (gradient * centred).sum(1, keepdims=True) / (weights.shape[1] - 1)
    return through_mean(factor * (gradient / deviation - centred * inner / deviation**3))


def bnn(w: Array, t: float) -> Weights:
    return Weights(sign(w), np.ones(len(w)), lambda g: g * inside(w))


def of_the_scaled(w: Array, t: float) -> Weights:
    """XNOR-Net with a detached scale, and Bi-Real Net."""
    return Weights(sign(w), mean_size(w), lambda g: g * inside(w))


def xnor_full(w: Array, t: float) -> Weights:
    def gradient(g: Array) -> Array:
        shared = (g * sign(w)).sum(1, keepdims=True) / w.shape[1]
        return g * mean_size(w)[:, None] * inside(w) + np.sign(w) * shared

    return Weights(sign(w), mean_size(w), gradient)


def dorefa(w: Array, t: float) -> Weights:
    return Weights(sign(w), np.full(len(w), np.abs(w).mean()), lambda g: g)


def irnet(w: Array, t: float) -> Weights:
    steep = 10.0 ** (-3 + 4 * t)
    k = max(1 / steep, 1.0)
    v = (w - w.mean(1, keepdims=True)) / w.std(1, ddof=1, keepdims=True)
    scale = 2.0 ** np.round(np.log2(mean_size(v)))

    def gradient(g: Array) -> Array:
        return through_deviation(g * scale[:, None] * k * steep * (1 - np.tanh(steep * v) ** 2), w)

    return Weights(sign(v), scale, gradient)


def recu(w: Array, t: float) -> Weights:
    """With factors of 1; they are learned."""
    tau = 0.85 + (0.99 - 0.85) * (np.exp(t) - 1) / (np.e - 1)
    v = (w - w.mean(1, keepdims=True)) / (w.std(1, ddof=1, keepdims=True) / (2 * np.sqrt(2)))
    bound = -np.abs(v).mean() * np.log(2 - 2 * tau)
    return Weights(
        sign(v), np.ones(len(w)), lambda g: through_deviation(g * (np.abs(v) < bound), w, factor=2 * np.sqrt(2))
    )


def biper(w: Array, t: float) -> Weights:
    """With a frequency of 20 and factors of 1: the sine until two thirds of the training, then its sign."""
    sine = np.sin(20 * w)
    return Weights(sine if t < 2 / 3 else sign(sine), np.ones(len(w)), lambda g: g * 20 * np.cos(20 * w))


def bbc(w: Array, t: float) -> Weights:
    v = w - w.mean(1, keepdims=True)
    scale = mean_size(v)
    slope = sum(u * inside_open(u * v) for u in (0.4, 0.6))
    return Weights(sign(v), scale, lambda g: through_mean(g * scale[:, None] * slope))


def inside_open(values: Array) -> Array:
    return (np.abs(values) < 1).astype(float)


def fourier(values: Array, t: float) -> Array:
    last = 9 + int(9 * t)
    terms = sum(np.cos((2 * i + 1) * 0.1 * values) for i in range(last + 1))
    return 4 * 0.1 / pi * terms * inside(values)


def fda(w: Array, t: float) -> Weights:
    scale = mean_size(w)
    return Weights(sign(w), scale, lambda g: g * scale[:, None] * fourier(w, t))


def e2fif(w: Array, t: float) -> Weights:
    return Weights(sign(w), np.ones(len(w)), lambda g: g)


def react(w: Array, t: float) -> Weights:
    """Real weights, without a scale, in the first half."""
    if t < 0.5:
        return Weights(w, np.ones(len(w)), lambda g: g)
    return of_the_scaled(w, t)


#: By method and options.
WEIGHTS: dict[tuple[str, tuple[tuple[str, object], ...]], Callable[[Array, float], Weights]] = {
    ("bnn", ()): bnn,
    ("xnor", ()): of_the_scaled,
    ("xnor", (("full_gradient", True),)): xnor_full,
    ("dorefa", ()): dorefa,
    ("bireal", ()): of_the_scaled,
    ("irnet", ()): irnet,
    ("react", ()): react,
    ("recu", ()): recu,
    ("fda", ()): fda,
    ("xnorplusplus", ()): bnn,
    ("biper", (("phase", 0.0),)): biper,
    ("bbc", ()): bbc,
    ("ftbnn", ()): of_the_scaled,
    ("e2fif", ()): e2fif,
}


def polynomial(a: Array, t: float) -> Array:
    return np.maximum(0, 2 - 2 * np.abs(a))


def tanh_slope(a: Array, t: float) -> Array:
    steep = 10.0 ** (-3 + 4 * t)
    return max(1 / steep, 1.0) * steep * (1 - np.tanh(steep * a) ** 2)


#: Slopes of activations by method.
ACTIVATIONS: dict[str, Callable[[Array, float], Array]] = {
    "bnn": lambda a, t: inside(a),
    "xnor": lambda a, t: inside(a),
    "xnorplusplus": lambda a, t: inside(a),
    "dorefa": lambda a, t: ((a >= 0) & (a <= 1)).astype(float),
    "irnet": tanh_slope,
    "fda": fourier,
    **dict.fromkeys(("bireal", "react", "bbc", "ftbnn", "e2fif", "flw"), polynomial),
}
