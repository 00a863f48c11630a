"""A whole network on packed tensors."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np

from dataflow import Bipolar, Network, Node, Stream
from dataflow.cores import core_count
from dataflow.kinds import implementation
from hwsim.frames import checked_frames
from hwsim.packed._bits import word_width
from hwsim.packed._tensors import Tensor, Windows, integer_type, tensor_of
from hwsim.packed._tiles import tile_rows

__all__ = ["apply", "evaluate", "evaluate_block", "evaluate_only"]

#: Bytes of the largest stream in a block of frames. Most streams are much smaller and stay in a core's cache, and the
#: time that Python takes for each node is shared by many frames.
block_bytes = 1 << 22


def apply(node: Node, *inputs: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    """Return what a node emits, one tensor per output, for one tensor per input."""
    return _outputs(implementation(type(node), "hwsim.packed")(node, *inputs))


def _outputs(result: Tensor | Windows | tuple[Tensor | Windows, ...]) -> tuple[Tensor | Windows, ...]:
    """Return the result of a kind's function as one tensor per output; kinds with one output return it alone."""
    return result if isinstance(result, tuple) else (result,)


def evaluate(network: Network, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every stream of a network, like `hwsim.reference.evaluate`.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` accepts

    Returns
    -------
    dict
        (frames, *stream.shape) int64 by FIFO name; bipolar streams carry bits 0 and 1.
    """
    return evaluate_only(network, frames, [fifo.name for fifo in network.fifos])


def evaluate_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the values of the streams in the named FIFOs, like `evaluate`. The others are dropped once read."""
    blocks = _blocks(network, checked_frames(network, frames))
    calls, wanted = list(_calls(network)), set(names)
    if len(blocks) == 1:
        return evaluate_block(network, calls, blocks[0], wanted)
    with ThreadPoolExecutor(core_count()) as pool:
        parts = list(pool.map(lambda block: evaluate_block(network, calls, block, wanted), blocks))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _blocks(network: Network, frames: np.ndarray) -> list[np.ndarray]:
    """Return frames in blocks, of a size that fills complete tiles."""
    # Nodes that repeat their input copy nothing, so their streams take no memory.
    views = {node.name for node in network.nodes if node.repeats_input}
    largest = max(_bytes(network.stream(fifo)) for fifo in network.fifos if fifo.source not in views)
    most = max(1, block_bytes // largest)
    count = -(-len(frames) // most)
    size = -(-len(frames) // (count * tile_rows)) * tile_rows
    return [frames[start : start + size] for start in range(0, len(frames), size)]


def _bytes(stream: Stream) -> int:
    """Return the bytes of a frame in `tensor_of`."""
    element, channels = stream.element, stream.shape[-1]
    if isinstance(element, Bipolar):
        return prod(stream.shape[:-1]) * 8 * -(-channels // word_width)
    return stream.size * np.dtype(integer_type(element.minimum, element.maximum)).itemsize


@dataclass(frozen=True)
class _Call:
    """A node, its function, the streams that it reads with the shapes that it expects, and the streams it writes."""

    node: Node
    function: Callable[..., Tensor | Windows | tuple[Tensor | Windows, ...]]
    reads: tuple[tuple[str, tuple[int, ...]], ...]
    writes: tuple[str, ...]


def _calls(network: Network) -> Iterator[_Call]:
    for node in network.nodes:
        shapes = [stream.shape for stream in node.input_streams]
        reads = [fifo.name for fifo in network.fifos_into(node.name)]
        writes = (fifo.name for fifo in network.fifos_out_of(node.name))
        function = implementation(type(node), "hwsim.packed")
        yield _Call(node, function, tuple(zip(reads, shapes, strict=True)), tuple(writes))


def evaluate_block(
    network: Network, calls: Iterable[_Call], frames: np.ndarray, wanted: set[str]
) -> dict[str, np.ndarray]:
    """Return the values of the requested streams for one block of frames. The others are dropped once read."""
    first = network.fifos_out_of(network.inputs[0].name)[0].name
    alive: dict[str, Tensor | Windows] = {first: tensor_of(frames, network.inputs[0].stream)}
    kept = {first: frames.astype(np.int64)} if first in wanted else {}
    for call in calls:
        inputs = [alive.pop(name).reshaped(shape) for name, shape in call.reads]
        for name, tensor in zip(call.writes, _outputs(call.function(call.node, *inputs)), strict=True):
            alive[name] = tensor
            if name in wanted:
                kept[name] = tensor.values
    return kept
