"""Values and gradients of every method, written out in numpy from the formulas of the papers.

For each method there is a function of the weights, and one of the activations. They return what the layer computes with
and how a gradient of that is pulled back. ``s(x)`` is the sign, with ``s(0) = +1``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORACLES", "Array", "At", "Geometry", "Pulled", "Weights", "batch_norm", "inside", "mean_size", "poly", "s"]

Array = NDArray[np.float64]
Pulled = dict[str, Array]


@dataclass
class At:
    """A place in a training, and what a layer has beside its weights.

    Parameters
    ----------
    constants : of the method, an object with its fields
    run : 1 in the second run of a step
    factors : (neurons,), learned scales
    frequency : omega of BiPer
    classifier : weights of BBC's classifier, (2,), or (hidden, 1) and (2, hidden)
    threshold : (channels,), learned shifts of activations
    before : what stands before signs: scales and offsets of a batch normalization, or learned shifts, (channels,) each
    noise : W1 and W2 of FDA for weights and for activations
    """

    constants: Any
    progress: float
    stage: int
    run: int = 0
    factors: Array = field(default_factory=lambda: np.zeros(0))
    frequency: float = 0.0
    classifier: tuple[Array, ...] = ()
    threshold: Array = field(default_factory=lambda: np.zeros(0))
    before: tuple[Array, ...] = ()
    noise: tuple[tuple[Array, Array], ...] = ()


@dataclass
class Weights:
    """What a layer computes with, or what it reads.

    Parameters
    ----------
    forward : (neurons, synapses), or (frames, channels, height, width)
    pull : from the gradient of `forward` to those of weights or inputs, and of parameters
    backward : what the gradient of the inputs passes, if that is not `forward`
    joined : from the gradients of the inputs that pass `forward` and `backward` to theirs; else it is the second
    """

    forward: Array
    pull: Callable[[Array], Pulled]
    backward: Array | None = None
    joined: Callable[[Array, Array], Array] = lambda _, backward: backward


@dataclass(frozen=True)
class Geometry:
    """A convolution over two axes as sums of products; a dense layer is one over a single pixel.

    Parameters
    ----------
    shape : (frames, channels, height, width) of the inputs
    """

    shape: tuple[int, int, int, int]
    filters: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    groups: int = 1

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """(groups, synapses, pixels), which number of a padded frame a synapse reads."""
        _, channels, high, wide = self.shape
        (kernel_high, kernel_wide), (pad_high, pad_wide) = self.kernel, self.padding
        high, wide = high + 2 * pad_high, wide + 2 * pad_wide
        rows = (high - self.dilation * (kernel_high - 1) - 1) // self.stride + 1
        columns = (wide - self.dilation * (kernel_wide - 1) - 1) // self.stride + 1
        of_group = channels // self.groups
        return np.array(
            [
                [
                    [
                        ((group * of_group + channel) * high + row * self.stride + y * self.dilation) * wide
                        + (column * self.stride + x * self.dilation)
                        for row in range(rows)
                        for column in range(columns)
                    ]
                    for channel in range(of_group)
                    for y in range(kernel_high)
                    for x in range(kernel_wide)
                ]
                for group in range(self.groups)
            ]
        )

    def read(self, inputs: Array) -> Array:
        """Return (frames, groups, synapses, pixels)."""
        pad_high, pad_wide = self.padding
        padded = np.pad(inputs, ((0, 0), (0, 0), (pad_high, pad_high), (pad_wide, pad_wide)))
        return padded.reshape(len(inputs), -1)[:, self.places]

    def outputs(self, inputs: Array, weights: Array) -> Array:
        """Return (frames, filters, pixels)."""
        grouped = weights.reshape(self.groups, -1, weights.shape[1])
        return np.einsum("gos,ngsp->ngop", grouped, self.read(inputs)).reshape(len(inputs), self.filters, -1)

    def of_weights(self, inputs: Array, gradient: Array) -> Array:
        """Return the gradient of weights, (filters, synapses)."""
        grouped = gradient.reshape(len(inputs), self.groups, -1, gradient.shape[2])
        return np.einsum("ngop,ngsp->gos", grouped, self.read(inputs)).reshape(self.filters, -1)

    def of_inputs(self, weights: Array, gradient: Array) -> Array:
        """Return the gradient of inputs."""
        frames, channels, high, wide = self.shape
        grouped = gradient.reshape(frames, self.groups, -1, gradient.shape[2])
        taps = np.einsum("gos,ngop->ngsp", weights.reshape(self.groups, -1, weights.shape[1]), grouped)
        pad_high, pad_wide = self.padding
        padded = np.zeros((frames, channels, high + 2 * pad_high, wide + 2 * pad_wide))
        for frame in range(frames):
            np.add.at(padded[frame].reshape(-1), self.places, taps[frame])
        return padded[:, :, pad_high : pad_high + high, pad_wide : pad_wide + wide]


def s(values: Array) -> Array:
    return np.where(values >= 0, 1.0, -1.0)


def inside(values: Array, bound: float = 1.0) -> Array:
    return (np.abs(values) <= bound).astype(float)


def poly(values: Array) -> Array:
    return np.maximum(0.0, 2 - 2 * np.abs(values))


def mean_size(values: Array) -> Array:
    return np.abs(values).mean(1, keepdims=True)


def centre(values: Array) -> Array:
    return values - values.mean(1, keepdims=True)


def standardize(weights: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``(w - mean) / std`` of each filter, and the pull of its gradient; the variance is unbiased."""
    spread = weights.std(1, ddof=1, keepdims=True)
    values = centre(weights) / spread

    def pull(gradient: Array) -> Array:
        along = (gradient * values).sum(1, keepdims=True) / (weights.shape[1] - 1)
        return (centre(gradient) - values * along) / spread

    return values, pull


# Weights


def plain_signs(w: Array, at: At) -> Weights:
    return Weights(s(w), lambda g: {"weight": g * inside(w)})


def dorefa(w: Array, at: At) -> Weights:
    return Weights(np.abs(w).mean() * s(w), lambda g: {"weight": g})


def xnor(w: Array, at: At) -> Weights:
    v = centre(w) if at.constants.centred else w
    a = mean_size(v)

    def pull(g: Array) -> Pulled:
        if at.constants.full_gradient:
            found = g * a * inside(v) + s(v) * (g * s(v)).mean(1, keepdims=True)
        else:
            found = g * inside(v)
        return {"weight": centre(found) if at.constants.centred else found}

    return Weights(a * s(v), pull)


def bireal(w: Array, at: At) -> Weights:
    return Weights(mean_size(w) * s(w), lambda g: {"weight": g * inside(w)})


def react(w: Array, at: At) -> Weights:
    real = at.constants.first_share and at.stage == 0
    return Weights(w, lambda g: {"weight": g}) if real else bireal(w, at)


def steepness(at: At) -> tuple[float, float]:
    """Return t and k of IR-Net: with its constants, ``t = 10**(-3 + 4 e / E)``."""
    low, high = np.log10(at.constants.first), np.log10(at.constants.last)
    t = 10 ** (low + (high - low) * at.progress)
    return t, max(1 / t, 1.0)


def irnet(w: Array, at: At) -> Weights:
    v, back = standardize(w)
    scale = 2 ** np.round(np.log2(mean_size(v)))
    t, k = steepness(at)
    return Weights(scale * s(v), lambda g: {"weight": back(g * scale * k * t * (1 - np.tanh(t * v) ** 2))})


def recu(w: Array, at: At) -> Weights:
    v, back = standardize(w)
    v = v * 2 * np.sqrt(2)
    rise = (at.constants.last - at.constants.first) / (np.e - 1)
    tau = rise * np.exp(at.progress) + at.constants.first - rise
    bound = -np.abs(v).mean() * np.log(2 - 2 * tau)
    a = at.factors[:, None]
    return Weights(
        a * s(v),
        lambda g: {
            "weight": back(g * a * inside(v, bound) * 2 * np.sqrt(2)),
            "factors": (g * s(v)).sum(1),
        },
    )


def biper(w: Array, at: At) -> Weights:
    wave = np.sin(at.frequency * w)
    values = wave if at.stage == 0 else s(wave)
    a = at.factors[:, None]
    return Weights(
        a * values,
        lambda g: {
            "weight": g * a * at.frequency * np.cos(at.frequency * w),
            "factors": (g * values).sum(1),
        },
    )


def bbc(w: Array, at: At) -> Weights:
    v = centre(w)
    a = mean_size(v)

    def linear(g: Array) -> Pulled:
        (u,) = at.classifier
        windows = [(np.abs(each * v) < 1).astype(float) for each in u]
        slope = sum(each * window for each, window in zip(u, windows, strict=True))
        return {
            "weight": centre(a * g * slope),
            "classifier 0": np.array([(a * g * v * window).sum() for window in windows]),
        }

    def perceptron(g: Array) -> Pulled:
        first, second = at.classifier
        hidden = np.tanh(first[:, 0] * v[..., None])  # (neurons, synapses, hidden)
        arrived = (a * g)[..., None] * (np.abs(hidden @ second.T) < 1)  # (neurons, synapses, 2)
        below = (arrived @ second) * (1 - hidden**2)
        return {
            "weight": centre((below * first[:, 0]).sum(2)),
            "classifier 0": (below * v[..., None]).sum((0, 1))[:, None],
            "classifier 1": np.einsum("nsj,nsh->jh", arrived, hidden),
        }

    return Weights(a * s(v), linear if len(at.classifier) == 1 else perceptron)


def fourier(values: Array, at: At) -> Array:
    """The derivative of the series, with ``n = 9 + floor(9 e / E)`` at 10 terms."""
    omega, first = at.constants.omega, at.constants.terms - 1
    last = first + int(np.floor(first * at.progress))
    series = sum(np.cos((2 * i + 1) * omega * values) for i in range(last + 1))
    return 4 * omega / np.pi * series * inside(values)


def noise_of(rows: Array, first: Array, second: Array, at: At) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
    """Return ``m (W2 relu(W1 x) + sin(x) / 10)`` for rows x, and the pull of its gradient to x, W1 and W2."""
    faded = min(1.0, at.progress / at.constants.end)
    m = at.constants.noise * 0.5 * (1 + np.cos(np.pi * faded))
    sums = rows @ first.T
    hidden = np.maximum(sums, 0)

    def pull(g: Array) -> tuple[Array, ...]:
        below = (g @ second) * (sums > 0)
        return m * (below @ first + g * 0.1 * np.cos(rows)), m * below.T @ rows, m * g.T @ hidden

    return m * (hidden @ second.T + 0.1 * np.sin(rows)), pull


def fda(w: Array, at: At) -> Weights:
    a = mean_size(w)
    if not at.noise:
        return Weights(a * s(w), lambda g: {"weight": g * a * fourier(w, at)})
    added, back = noise_of(w, *at.noise[0], at)

    def pull(g: Array) -> Pulled:
        of_noise, first, second = back(a * g)
        return {"weight": g * a * fourier(w, at) + of_noise, "noise_first": first, "noise_second": second}

    return Weights(a * (s(w) + added), pull)


def xnorplusplus(w: Array, at: At) -> Weights:
    a = at.factors[:, None]
    return Weights(a * s(w), lambda g: {"weight": g * a * inside(w), "factors": (g * s(w)).sum(1)})


def flw(w: Array, at: At) -> Weights:
    binary = mean_size(w) * s(w)
    if at.constants.wiring == "twice":
        return Weights(w, lambda g: {"weight": g}) if at.run else bireal(w, at)
    m = at.constants.first * max(0.0, 1 - at.progress / at.constants.end)
    if at.constants.wiring == "mixed":
        return Weights((1 - m) * binary + m * w, lambda g: {"weight": (1 - m) * g * inside(w) + m * g})
    if at.constants.wiring == "balanced":

        def joined(of_binary: Array, of_real: Array) -> Array:
            lengths = [np.sqrt((each**2).sum()) for each in (of_binary, of_real)]
            return of_binary + m * lengths[0] / (lengths[1] + 1e-8) * of_real

        return Weights(binary, lambda g: {"weight": joined(g * inside(w), g)}, backward=w, joined=joined)
    return Weights(binary, lambda g: {"weight": g * inside(w) + m * g}, backward=binary + m * w)


def e2fif(w: Array, at: At) -> Weights:
    return Weights(s(w), lambda g: {"weight": g})


def ctmq(w: Array, at: At) -> Weights:
    bits = at.constants.bits - at.stage % at.constants.bits
    scale = np.abs(w).mean()
    if bits == 1:
        return dorefa(w, at)
    steps = 2**bits - 1
    levels = np.round((np.clip(w / scale, -1, 1) + 1) / 2 * steps) / steps * 2 - 1
    return Weights(scale * levels, lambda g: {"weight": g * inside(w / scale)})


# Activations


def of_slope(slope: Callable[[Array, At], Array]) -> "Oracle":
    return lambda a, at: Weights(s(a), lambda g: {"inputs": g * slope(a, at)})


clip_activation = of_slope(lambda a, at: inside(a))
poly_activation = of_slope(lambda a, at: poly(a))


def irnet_slope(a: Array, at: At) -> Array:
    t, k = steepness(at)
    return k * t * (1 - np.tanh(t * a) ** 2)


def bits_activation(a: Array, at: At) -> Weights:
    """DoReFa-Net's activations; one bit is 1 from 1/2 on, as sign(0) is +1."""
    bits = at.constants.bits - at.stage % at.constants.bits if hasattr(at.constants, "bits") else 1
    steps = 2**bits - 1
    values = (a >= 0.5).astype(float) if bits == 1 else np.round(np.clip(a, 0, 1) * steps) / steps
    return Weights(values, lambda g: {"inputs": g * ((a >= 0) & (a <= 1))})


def by_frame(a: Array, at: At) -> Weights:
    """The polynomial of activations divided by their frame's standard deviation."""
    flat = a.reshape(len(a), -1)
    spread = np.sqrt(flat.var(1, ddof=1, keepdims=True) + 1e-5)

    def pull(g: Array) -> Pulled:
        found = g.reshape(flat.shape) * poly(flat / spread)
        along = (found * flat).sum(1, keepdims=True) / (flat.shape[1] - 1)
        return {"inputs": (found / spread - centre(flat) * along / spread**3).reshape(a.shape)}

    return Weights(s(a), pull)


def shifted(a: Array, at: At) -> Weights:
    values = a + at.threshold[:, None, None]

    def pull(g: Array) -> Pulled:
        found = g * poly(values)
        return {"inputs": found, "sign threshold": found.sum((0, 2, 3))}

    return Weights(s(values), pull)


def noisy(a: Array, at: At) -> Weights:
    if not at.noise:
        return of_slope(fourier)(a, at)
    rows = np.moveaxis(a, 1, -1)
    added, back = noise_of(rows.reshape(-1, rows.shape[-1]), *at.noise[1], at)

    def pull(g: Array) -> Pulled:
        of_noise, first, second = back(np.moveaxis(g, 1, -1).reshape(-1, rows.shape[-1]))
        inputs = g * fourier(a, at) + np.moveaxis(of_noise.reshape(rows.shape), -1, 1)
        return {"inputs": inputs, "sign noise_first": first, "sign noise_second": second}

    return Weights(s(a) + np.moveaxis(added.reshape(rows.shape), -1, 1), pull)


def batch_norm(a: Array, scale: Array, offset: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
    """Return a batch normalization of the second axis, and the pull of its gradient to inputs, scales and offsets."""
    axes = tuple(axis for axis in range(a.ndim) if axis != 1)
    scale, offset = (each.reshape(-1, *[1] * (a.ndim - 2)) for each in (scale, offset))
    spread = np.sqrt(a.var(axes, keepdims=True) + 1e-5)
    values = (a - a.mean(axes, keepdims=True)) / spread

    def pull(g: Array) -> tuple[Array, Array, Array]:
        along = (g * values).mean(axes, keepdims=True)
        inputs = scale / spread * (g - g.mean(axes, keepdims=True) - values * along)
        return inputs, (g * values).sum(axes), g.sum(axes)

    return values * scale + offset, pull


def repaired(a: Array, at: At) -> Weights:
    def slope(values: Array) -> Array:
        if at.constants.feature_binarizer == "steeper":
            t = 10 ** (4 * at.progress - 3)
            return max(1 / t, 1.0) * t * (1 - np.tanh(t * values) ** 2)
        return poly(values) if at.constants.feature_binarizer == "polynomial" else inside(values)

    kind = at.constants.feature_normalization
    if kind == "frame":
        return by_frame(a, at)
    if kind == "shift":
        values = a + at.before[0][:, None, None]
        return Weights(
            s(values),
            lambda g: {"inputs": g * slope(values), "sign before.shift": (g * slope(values)).sum((0, 2, 3))},
        )
    if kind == "none":
        return Weights(s(a), lambda g: {"inputs": g * slope(a)})
    values, back = batch_norm(a, *at.before)
    names = ("inputs", "sign before.weight", "sign before.bias")
    return Weights(s(values), lambda g: dict(zip(names, back(g * slope(values)), strict=True)))


Oracle = Callable[[Array, At], Weights]

#: The functions of weights and of activations, by the name of the method.
ORACLES: dict[str, tuple[Oracle, Oracle]] = {
    "bnn": (plain_signs, clip_activation),
    "xnor": (xnor, clip_activation),
    "dorefa": (dorefa, bits_activation),
    "bireal": (bireal, poly_activation),
    "irnet": (irnet, of_slope(irnet_slope)),
    "react": (react, shifted),
    "recu": (recu, by_frame),
    "fda": (fda, noisy),
    "xnorplusplus": (xnorplusplus, clip_activation),
    "biper": (biper, by_frame),
    "bbc": (bbc, poly_activation),
    "flw": (flw, poly_activation),
    "ftbnn": (bireal, poly_activation),
    "e2fif": (e2fif, poly_activation),
    "ctmq": (ctmq, bits_activation),
    "nam": (react, shifted),
    "repairs": (bireal, repaired),
}
