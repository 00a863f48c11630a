"""The packed reference: the same values as `hwsim.reference`, with bits in 64-bit words.

Bits stay packed between layers. A tensor of bits is packed along its channels, so each position of a frame is a row
of whole words. Windows stay where they are in the image, unless somebody asks for them. Frames go through the network
in blocks that stay in a core's cache, as many at once as there are cores.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce, singledispatch
from math import prod

import numpy as np

from dataflow import (
    Add,
    ArgMax,
    Bipolar,
    Concat,
    Element,
    Fork,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    PoolNode,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    WidthConverter,
)
from hwsim._bits import word_width
from hwsim._matrices import grouped_product, product
from hwsim._tensors import Tensor, Windows, grouped_windows_of, integer_type, tensor_of, windows_of
from hwsim._tiles import join, tile_rows
from hwsim.frames import checked_frames

__all__ = ["Tensor", "Windows", "apply", "evaluate", "evaluate_only"]

#: Bytes of the largest stream in a block of frames, which stays in a core's cache.
block_bytes = 1 << 19


@singledispatch
def apply(node: Node, *inputs: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    """Return what a node emits, one tensor per output, for one tensor per input."""
    raise TypeError(f"Node {node.name!r} must be of a kind with a packed reference, not {node.kind}")


@apply.register
def _(node: Add, *inputs: Tensor | Windows) -> tuple[Tensor, ...]:
    total = reduce(np.add, map(_numbers, node.operands, inputs))
    held = np.clip(total, node.element.minimum, node.element.maximum) if node.saturates else total
    return (tensor_of(held, node.output_streams[0]),)


@apply.register
def _(node: Concat, *inputs: Tensor | Windows) -> tuple[Tensor, ...]:
    values = np.concatenate([x.values for x in inputs], axis=-1)
    return (tensor_of(values, node.output_streams[0]),)


@apply.register
def _(node: MatrixVector, x: Tensor | Windows) -> tuple[Tensor, ...]:
    return (grouped_product(node, x.plain) if node.groups > 1 else product(node, x.windows),)


@apply.register
def _(node: SlidingWindow, x: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    return (grouped_windows_of(node, x.plain) if node.groups > 1 else windows_of(node, x.plain),)


@apply.register
def _(node: MaxPool, x: Tensor | Windows) -> tuple[Tensor, ...]:
    data = x.plain.data
    shape = node.output_streams[0].shape
    if x.packed:
        # Of words, the greatest of every bit is their OR, and a tap outside adds no bit.
        joined = np.empty((len(data), len(node.tap_pixels), data.shape[-1]), np.uint64)
        join(np.ascontiguousarray(data).reshape(len(data), -1, data.shape[-1]), node.tap_pixels, joined)
        return (Tensor(joined.reshape(len(data), *shape[:-1], -1), shape, True),)
    greatest = _taps(node, data, node.element.minimum).max(axis=2)
    return (Tensor(greatest.reshape(len(data), *shape), shape, False),)


@apply.register
def _(node: SumPool, x: Tensor | Windows) -> tuple[Tensor, ...]:
    shape = node.output_streams[0].shape
    return (Tensor(_taps(node, _numbers(node.element, x), 0).sum(axis=2).reshape(-1, *shape), shape, False),)


def _numbers(element: Element, x: Tensor | Windows) -> np.ndarray:
    """Return what a stream's values stand for, bits for -1 and +1."""
    return 2 * x.values - 1 if isinstance(element, Bipolar) else x.values


def _taps(node: PoolNode, numbers: np.ndarray, outside: int) -> np.ndarray:
    """Return the numbers below the kernel, (frames, positions, taps, channels)."""
    pixels = numbers.reshape(len(numbers), -1, numbers.shape[-1])
    last = np.full((len(pixels), 1, pixels.shape[2]), outside, pixels.dtype)
    return np.take(np.concatenate([pixels, last], axis=1), node.tap_pixels, axis=1)


@apply.register
def _(node: Threshold, x: Tensor | Windows) -> tuple[Tensor, ...]:
    dtype = integer_type(node.element.minimum, node.element.maximum + 1)
    bits = x.plain.data.astype(dtype, copy=False) >= node.thresholds.astype(dtype)
    return (tensor_of(bits, node.output_streams[0]),)


@apply.register
def _(node: ArgMax, x: Tensor | Windows) -> tuple[Tensor, ...]:
    # np.argmax returns the first of equal keys, which fit int64 in every node.
    best = (node.scale * x.values + node.offset).argmax(axis=1).astype(np.int64)
    return (tensor_of(best[:, None], node.output_streams[0]),)


@apply.register
def _(node: Fork, x: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    return (x,) * node.copies


@apply.register
def _(node: WidthConverter, x: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    return (x,)


def evaluate(network: Network, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every stream of a network, as `hwsim.reference.evaluate` does.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` understands

    Returns
    -------
    dict
        For every FIFO's name (frames, *stream.shape) int64; bipolar streams carry bits 0 and 1.
    """
    return evaluate_only(network, frames, [fifo.name for fifo in network.fifos])


def evaluate_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the values of the streams in the FIFOs named, as `evaluate` does; the others are dropped once read."""
    blocks = _blocks(network, checked_frames(network, frames))
    steps, wanted = list(_steps(network)), set(names)
    if len(blocks) == 1:
        return _evaluate_block(network, steps, blocks[0], wanted)
    with ThreadPoolExecutor(_cores()) as pool:
        parts = list(pool.map(lambda block: _evaluate_block(network, steps, block, wanted), blocks))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cores() -> int:
    """Return the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _blocks(network: Network, frames: np.ndarray) -> list[np.ndarray]:
    """Return frames in parts, of a size that fills whole tiles."""
    # Windows are not copied out; what they are windows of is a stream itself.
    windows = {node.name for node in network.nodes if isinstance(node, SlidingWindow)}
    largest = max(_bytes(network.stream(fifo)) for fifo in network.fifos if fifo.source not in windows)
    most = max(1, block_bytes // largest)
    count = -(-len(frames) // most)
    size = -(-len(frames) // (count * tile_rows)) * tile_rows
    return [frames[start : start + size] for start in range(0, len(frames), size)]


def _bytes(stream: Stream) -> int:
    """Return the bytes of a frame, as `tensor_of` has it."""
    element, channels = stream.element, stream.shape[-1]
    if isinstance(element, Bipolar):
        return prod(stream.shape[:-1]) * 8 * -(-channels // word_width)
    return stream.size * np.dtype(integer_type(element.minimum, element.maximum)).itemsize


@dataclass(frozen=True)
class _Step:
    """A node, the streams that it reads with the shapes in which it does, and those that it writes."""

    node: Node
    reads: tuple[tuple[str, tuple[int, ...]], ...]
    writes: tuple[str, ...]


def _steps(network: Network) -> Iterator[_Step]:
    for node in network.nodes:
        shapes = [stream.shape for stream in node.input_streams]
        reads = [fifo.name for fifo in network.fifos_into(node.name)]
        writes = (fifo.name for fifo in network.fifos_out_of(node.name))
        yield _Step(node, tuple(zip(reads, shapes, strict=True)), tuple(writes))


def _evaluate_block(
    network: Network, steps: Iterable[_Step], frames: np.ndarray, wanted: set[str]
) -> dict[str, np.ndarray]:
    first = network.fifos_out_of(network.inputs[0].name)[0].name
    alive: dict[str, Tensor | Windows] = {first: tensor_of(frames, network.inputs[0].stream)}
    kept = {first: frames.astype(np.int64)} if first in wanted else {}
    for step in steps:
        inputs = [alive.pop(name).reshaped(shape) for name, shape in step.reads]
        for name, tensor in zip(step.writes, apply(step.node, *inputs), strict=True):
            alive[name] = tensor
            if name in wanted:
                kept[name] = tensor.values
    return kept
