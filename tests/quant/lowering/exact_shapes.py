"""Operators that move, choose, repeat or count numbers, in exact arithmetic."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.quant.lowering.exact_numbers import Numbers, joined

__all__ = ["OPERATORS"]

Operands = list[Any]
Attributes = dict[str, Any]


def _constant(x: Operands, a: Attributes) -> Numbers:
    if "value" in a:
        return Numbers.of(numpy_helper.to_array(a["value"]))
    for name, dtype in (("value_float", np.float64), ("value_floats", np.float64), ("value_int", np.int64)):
        if name in a:
            return Numbers.of(np.array(a[name], dtype))
    return Numbers.of(np.array(a["value_ints"], np.int64))


def _constant_of_shape(x: Operands, a: Attributes) -> Numbers:
    value = numpy_helper.to_array(a["value"]).ravel() if "value" in a else np.zeros(1)
    return Numbers.of(np.full(x[0].integers(), value[0]))


def _reshape(x: Operands, a: Attributes) -> Numbers:
    shape = x[0].shape
    wanted = x[1].integers()
    if not a.get("allowzero", 0):
        wanted = [shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    return x[0].move(lambda tops: tops.reshape(len(tops), *_known(wanted, prod(shape))))


def _known(shape: list[int], size: int) -> list[int]:
    if -1 not in shape:
        return shape
    rest = prod(each for each in shape if each != -1)
    return [size // rest if each == -1 else each for each in shape]


def _flatten(x: Operands, a: Attributes) -> Numbers:
    shape, axis = x[0].shape, a.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return x[0].move(lambda tops: tops.reshape(len(tops), prod(shape[:axis]), prod(shape[axis:])))


def _transpose(x: Operands, a: Attributes) -> Numbers:
    order = a.get("perm", list(range(len(x[0].shape)))[::-1])
    return x[0].move(lambda tops: tops.transpose(0, *[axis + 1 for axis in order]))


def _axes(x: Operands, a: Attributes, place: int = 1) -> list[int] | None:
    if len(x) > place and x[place] is not None:
        return x[place].integers()
    return list(a["axes"]) if "axes" in a else None


def _squeeze(x: Operands, a: Attributes) -> Numbers:
    rank, axes = len(x[0].shape), _axes(x, a)
    chosen = [i for i, size in enumerate(x[0].shape) if size == 1] if axes is None else [i % rank for i in axes]
    return x[0].move(lambda tops: np.squeeze(tops, tuple(axis + 1 for axis in chosen)))


def _unsqueeze(x: Operands, a: Attributes) -> Numbers:
    axes = _axes(x, a) or []
    rank = len(x[0].shape) + len(axes)
    return x[0].move(lambda tops: np.expand_dims(tops, tuple(axis % rank + 1 for axis in axes)))


def _concat(x: Operands, a: Attributes) -> Numbers:
    return joined(x, a["axis"] % len(x[0].shape))


def _gather(x: Operands, a: Attributes) -> Numbers:
    axis = a.get("axis", 0) % len(x[0].shape) + 1
    indices = np.array(x[1].integers(), np.int64).reshape(x[1].shape)
    return x[0].move(lambda tops: np.take(tops, indices, axis))


def _slice(x: Operands, a: Attributes) -> Numbers:
    given = [each and each.integers() for each in [*x[1:], None, None, None, None][:4]]
    starts, ends, axes, steps = (a.get(n, v) for n, v in zip(("starts", "ends", "axes", "steps"), given, strict=True))
    rank = len(x[0].shape)
    slices = [slice(None)] * (rank + 1)
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = axes[index] % rank if axes else index
        step, size = steps[index] if steps else 1, x[0].shape[axis]
        slices[axis + 1] = slice(start, None if step < 0 and end < -size else end, step)
    return x[0].move(lambda tops: tops[tuple(slices)])


def _expand(x: Operands, a: Attributes) -> Numbers:
    wanted = np.broadcast_shapes(x[0].shape, tuple(x[1].integers()))
    padded = (1,) * (len(wanted) - len(x[0].shape)) + x[0].shape
    return x[0].move(lambda tops: np.broadcast_to(tops.reshape(len(tops), *padded), (len(tops), *wanted)))


def _depth_to_space(x: Operands, a: Attributes) -> Numbers:
    """Number c of pixel (y, x) is channel (y % b, x % b, c) of pixel (y // b, x // b), or channel (c, y % b, x % b)."""
    block, (_, channels, height, width) = a["blocksize"], x[0].shape
    count, rows, columns = channels // block**2, np.arange(height * block), np.arange(width * block)
    part = (rows % block)[:, None] * block + columns % block
    number = np.arange(count)[:, None, None]
    channel = number * block**2 + part if a.get("mode", b"DCR") == b"CRD" else part * count + number
    return x[0].move(lambda tops: tops[:, :, channel, (rows // block)[:, None], columns // block])


def _space_to_depth(x: Operands, a: Attributes) -> Numbers:
    block, (_, channels, height, width) = a["blocksize"], x[0].shape
    part, channel = np.divmod(np.arange(channels * block**2), channels)
    rows = np.arange(height // block)[:, None] * block + (part // block)[:, None, None]
    columns = np.arange(width // block) * block + (part % block)[:, None, None]
    return x[0].move(lambda tops: tops[:, :, channel[:, None, None], rows, columns])


def _split(x: Operands, a: Attributes) -> Numbers:
    axis, count = a.get("axis", 0) % len(x[0].shape), len(a["outputs"])
    size = x[0].shape[axis]
    sizes = x[1].integers() if len(x) > 1 and x[1] is not None else a.get("split")
    each = -(-size // count)
    ends = np.cumsum(sizes) if sizes else np.minimum(np.arange(1, count + 1) * each, size)
    start, end = np.append(0, ends)[a["output"] :][:2]
    return x[0].move(lambda tops: np.take(tops, np.arange(start, end), axis + 1))


def _tile(x: Operands, a: Attributes) -> Numbers:
    return x[0].move(lambda tops: np.tile(tops, (1, *x[1].integers())))


def _resize(x: Operands, a: Attributes) -> Numbers:
    """Nearest numbers, by the formulas of the standard."""
    assert a.get("mode", b"nearest") == b"nearest"
    shape, old = x[0].shape, a["opset"] < 11
    scales = x[1] if old and len(x) > 1 else x[2] if len(x) > 2 else None
    sizes = x[3].integers() if len(x) > 3 and x[3] is not None else None
    given = scales.fractions().ravel().tolist() if scales is not None else list(map(Fraction, a.get("scales", ())))
    axes = [axis % len(shape) for axis in a.get("axes", range(len(shape)))]
    if sizes:
        given = [Fraction(size, shape[axis]) for size, axis in zip(sizes, axes, strict=True)]
    way = "asymmetric" if old else a.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if old else a.get("nearest_mode", b"round_prefer_floor").decode()
    found = x[0]
    for axis, scale in zip(axes, given, strict=True):
        before, after = shape[axis], floor(shape[axis] * scale)
        places = []
        for index in range(after):
            middle = (2 * index + 1) / (2 * scale) - Fraction(1, 2)
            place = {
                "asymmetric": index / scale,
                "half_pixel": middle,
                "pytorch_half_pixel": middle if after > 1 else Fraction(0),
                "align_corners": Fraction(index * (before - 1), max(1, after - 1)),
            }[way]
            low = floor(place)
            tie = low if rounding == "round_prefer_floor" else low + 1
            nearest = tie if place - low == Fraction(1, 2) else floor(place + Fraction(1, 2))
            chosen = {"floor": low, "ceil": ceil(place)}.get(rounding, nearest)
            places.append(min(max(chosen, 0), before - 1))
        found = found.move(lambda tops, p=places, n=axis: np.take(tops, p, n + 1))  # type: ignore[misc]
    return found


def _pad(x: Operands, a: Attributes) -> Numbers:
    rank = len(x[0].shape)
    given = x[1].integers() if len(x) > 1 else list(a["pads"])
    axes = [axis % rank for axis in _axes(x, a, 3) or range(rank)]
    sides = np.zeros((rank, 2), np.int64)
    sides[axes] = np.reshape(given, (2, -1)).T
    if (sides < 0).any():  # what is taken off
        ends = tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x[0].shape, sides.tolist(), strict=True))
        x = [x[0].move(lambda tops: tops[(slice(None), *ends)]), *x[1:]]
        sides = np.maximum(sides, 0)
    around = [(0, 0), *map(tuple, sides)]
    mode = a.get("mode", b"constant").decode()
    if mode != "constant":
        return x[0].move(lambda tops: np.pad(tops, around, mode=mode))
    outside = x[2] if len(x) > 2 and x[2] is not None else Numbers.of(np.float64(a.get("value", 0.0)))
    data, value, bottom = x[0].aligned(outside)
    # np.pad would turn the number into one of numpy's, which do not hold all integers.
    tops = np.full([size + sum(ends) for size, ends in zip(data.shape, around, strict=True)], value.item(), object)
    tops[tuple(slice(before, before + size) for size, (before, _) in zip(data.shape, around, strict=True))] = data
    return Numbers(tops, bottom, x[0].rough or outside.rough)


def _reduced(x: Operands, a: Attributes) -> tuple[tuple[int, ...], bool]:
    rank, axes = len(x[0].shape), _axes(x, a)
    if axes is None and a.get("noop_with_empty_axes", 0):
        return (), True
    return tuple(axis % rank + 1 for axis in (range(rank) if axes is None else axes)), bool(a.get("keepdims", 1))


def _reduce_mean(x: Operands, a: Attributes) -> Numbers:
    axes, keep = _reduced(x, a)
    count = prod(x[0].tops.shape[axis] for axis in axes)
    return x[0].like(x[0].tops.sum(axis=axes, keepdims=keep), x[0].bottom * count)


def _reduce_sum(x: Operands, a: Attributes) -> Numbers:
    axes, keep = _reduced(x, a)
    return x[0].move(lambda tops: np.asarray(tops.sum(axis=axes, keepdims=keep), object))


def _reduce_max(x: Operands, a: Attributes) -> Numbers:
    axes, keep = _reduced(x, a)
    return x[0].move(lambda tops: np.asarray(tops.max(axis=axes, keepdims=keep), object))


def _arg_max(x: Operands, a: Attributes) -> Numbers:
    """The first index, or the last one, at which no other number along the axis is higher."""
    axis = a.get("axis", 0) % len(x[0].shape) + 1
    moved = np.moveaxis(x[0].tops, axis, -1)
    rows = moved.reshape(-1, moved.shape[-1])
    best = np.zeros(len(rows), np.int64)
    for index in range(1, rows.shape[1]):
        lead = Numbers(rows[:, index] - rows[np.arange(len(rows)), best], x[0].bottom, x[0].rough).signs()
        best[lead >= 0 if a.get("select_last_index", 0) else lead > 0] = index
    best = best.reshape(moved.shape[:-1])
    return Numbers((np.expand_dims(best, axis) if a.get("keepdims", 1) else best).astype(object))


def _top_index(x: Operands, a: Attributes) -> Numbers:
    """The indices of a TopK of one number, which are those of an ArgMax."""
    assert x[1].integers() == [1]
    return _arg_max(x[:1], {"axis": a.get("axis", -1), "keepdims": 1})


OPERATORS: dict[str, Callable[[Operands, Attributes], Numbers]] = {
    "ArgMax": _arg_max,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "ReduceMax": _reduce_max,
    "ReduceMean": _reduce_mean,
    "ReduceMin": lambda x, a: -_reduce_max([-x[0], *x[1:]], a),
    "ReduceSum": _reduce_sum,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda x, a: Numbers.of(np.array(x[0].shape, np.int64)),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": lambda x, a: _resize(x, {**a, "opset": 10}),
    "TopK": _top_index,
}
