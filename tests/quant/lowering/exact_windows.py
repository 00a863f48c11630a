"""Operators that move a window over an image or a signal, in exact arithmetic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from tests.quant.lowering.exact_elementwise import product
from tests.quant.lowering.exact_numbers import Numbers

__all__ = ["OPERATORS"]

Operands = list[Any]
Attributes = dict[str, Any]


@dataclass(frozen=True)
class _Axis:
    """Where a window begins along one axis: ``starts``, counted from the first real number."""

    size: int
    starts: np.ndarray
    dilation: int
    before: int
    after: int

    @classmethod
    def of(cls, size: int, kernel: int, axis: int, a: Attributes, rank: int) -> "_Axis":
        stride = a.get("strides", [1] * rank)[axis]
        dilation = a.get("dilations", [1] * rank)[axis]
        auto = a.get("auto_pad", b"NOTSET").decode()
        pads = a.get("pads", [0] * 2 * rank) if auto == "NOTSET" else [0] * 2 * rank
        before, after = pads[axis], pads[axis + rank]
        reach = (kernel - 1) * dilation + 1
        if auto.startswith("SAME"):
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            less = total // 2
            before, after = (less, total - less) if auto == "SAME_UPPER" else (total - less, less)
        room = size + before + after - reach
        count = (ceil(room / stride) if a.get("ceil_mode", 0) else room // stride) + 1
        if a.get("ceil_mode", 0) and (count - 1) * stride >= size + before:
            count -= 1  # a window that starts beyond the image and what is before it
        return cls(size, np.arange(count) * stride - before, dilation, before, after)

    def places(self, tap: int) -> np.ndarray:
        return self.starts + tap * self.dilation


def _axes(data: Numbers, kernel: list[int], a: Attributes) -> list[_Axis]:
    sizes = data.shape[2:]
    return [_Axis.of(size, kernel[i], i, a, len(sizes)) for i, size in enumerate(sizes)]


def _taps(data: Numbers, kernel: list[int], a: Attributes) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
    """Yield each place in the window, (frames, 1, channels, ...) what lies there, and where that is inside."""
    axes = _axes(data, kernel, a)
    for tap in np.ndindex(*kernel):
        places = [axis.places(t) for axis, t in zip(axes, tap, strict=True)]
        inside = [(p >= 0) & (p < axis.size) for p, axis in zip(places, axes, strict=True)]
        slab = data.tops
        for number, (p, axis) in enumerate(zip(places, axes, strict=True)):
            slab = np.take(slab, np.clip(p, 0, axis.size - 1), number + 3)
        yield tap, slab, _outer(inside)


def _outer(masks: list[np.ndarray]) -> np.ndarray:
    """Return where all masks hold, one of them along each axis."""
    result = np.ones((), bool)
    for mask in masks:
        result = result[..., None] & mask
    return result


def _conv(x: Operands, a: Attributes) -> Numbers:
    data, weights = x[0], x[1]
    groups, (neurons, channels, *kernel) = a.get("group", 1), weights.shape
    rows = []
    for _, slab, inside in _taps(data, kernel, a):
        rows.append(np.where(inside, slab, 0).reshape(len(slab), groups, channels, -1))
        shape = inside.shape
    patches = Numbers(np.stack(rows, 3), data.bottom, data.rough)  # (frames, groups, channels, taps, places)
    patches = patches.move(lambda tops: tops.reshape(*tops.shape[:2], -1, tops.shape[-1]))
    matrix = weights.move(lambda tops: tops.reshape(1, groups, neurons // groups, -1))
    total = product(matrix, patches)
    total = total.move(lambda tops: tops.reshape(len(tops), 1, neurons, *shape))
    if len(x) < 3 or x[2] is None:
        return total
    return total + x[2].move(lambda tops: tops.reshape(1, 1, -1, *[1] * len(shape)))


def _conv_transpose(x: Operands, a: Attributes) -> Numbers:
    """Every number adds its products with the kernel around its place, and what is beyond the output is dropped."""
    data, weights = x[0], x[1]
    groups, (channels, each, *kernel) = a.get("group", 1), weights.shape
    rank, frames, extent = len(kernel), len(data.tops), data.shape[2:]
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    more, pads = a.get("output_padding", [0] * rank), a.get("pads", [0] * 2 * rank)
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET"
    assert "output_shape" not in a
    whole = [
        (n - 1) * s + (k - 1) * d + 1 + m
        for n, s, k, d, m in zip(extent, strides, kernel, dilations, more, strict=True)
    ]
    rows = data.tops.reshape(frames, groups, channels // groups, -1)
    matrix = weights.tops.reshape(groups, channels // groups, each, *kernel)
    total = np.zeros((frames, groups * each, *whole), object)
    for tap in np.ndindex(*kernel):
        part = np.einsum("gce,fgcp->fgep", matrix[(slice(None), slice(None), slice(None), *tap)], rows)
        at = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilations, extent, strides, strict=True)
        )
        total[(slice(None), slice(None), *at)] += part.reshape(frames, groups * each, *extent)
    kept = tuple(slice(pads[i], whole[i] - pads[rank + i]) for i in range(rank))
    found = Numbers(
        total[(slice(None), None, slice(None), *kept)], data.bottom * weights.bottom, data.rough or weights.rough
    )
    return found if len(x) < 3 else found + x[2].move(lambda tops: tops.reshape(1, 1, -1, *[1] * rank))


def _max_pool(x: Operands, a: Attributes) -> Numbers:
    best: np.ndarray | None = None
    lowest = min(x[0].tops.flat)
    for _, slab, inside in _taps(x[0], list(a["kernel_shape"]), a):
        known = np.where(inside, slab, lowest)
        best = known if best is None else np.maximum(best, known)
    assert best is not None
    return Numbers(best, x[0].bottom, x[0].rough)


def _average_pool(x: Operands, a: Attributes) -> Numbers:
    """Of what is added, a divisor counts the real numbers, or the padding too, but not what ceil_mode adds."""
    kernel = list(a["kernel_shape"])
    axes = _axes(x[0], kernel, a)
    total: Any = 0
    count: Any = 0
    for tap, slab, inside in _taps(x[0], kernel, a):
        total = total + np.where(inside, slab, 0)
        if a.get("count_include_pad", 0):
            places = [axis.places(t) for axis, t in zip(axes, tap, strict=True)]
            inside = _outer([p < axis.size + axis.after for p, axis in zip(places, axes, strict=True)])
        count = count + inside.astype(np.int64)
    shares = Numbers.of(count.astype(np.int64)).reciprocal()
    return Numbers(total, x[0].bottom, x[0].rough) * shares


def _whole(x: Operands) -> Attributes:
    return {"kernel_shape": x[0].shape[2:]}


OPERATORS: dict[str, Callable[[Operands, Attributes], Numbers]] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": lambda x, a: _average_pool(x, _whole(x)),
    "GlobalMaxPool": lambda x, a: _max_pool(x, _whole(x)),
    "MaxPool": _max_pool,
}
