"""The parts of nodes that store an image in a line buffer: counters, addresses, and the buffer itself."""

import numpy as np

from dataflow.nodes._buffered import BufferedNode, Loop
from dataflow.nodes._window import WindowNode
from dataflow.parts import Parts

__all__ = ["rearranging_parts", "window_parts"]


def window_parts(node: WindowNode, taken: int) -> Parts:
    """Return the parts that all nodes with a kernel have.

    Parameters
    ----------
    taken : bits of the register for the numbers that are read
    """
    at_once, (tall, wide) = node.taps_at_once, node.kernel
    taps = (tall * wide // max(at_once, wide), wide // min(at_once, wide))
    found = _buffer_parts(node, [*node.positions, *taps, node.channel_folds], _address_steps(node))
    inside = _inside_bits(node)
    found.add(inside_bits=inside)
    found.registers += inside + (at_once if inside else 0)
    found.registers += taken
    found.watch_inert(node.output_streams[0])
    return found


def rearranging_parts(node: BufferedNode) -> Parts:
    """Return the parts of a node that only reads the buffer."""
    loops = (*node.position_loops, *node.inner_loops)
    found = _buffer_parts(node, [loop.size for loop in loops], _loop_steps(node, loops))
    if len(node.position_loops) > 2:
        found.count(*node.positions)
    return found


def _buffer_parts(node: BufferedNode, sizes: list[int], steps: np.ndarray) -> Parts:
    """Return the parts of a line buffer.

    Parameters
    ----------
    sizes : of the loops that count the steps
    steps : possible increments of an address, modulo the places, int64
    """
    found, at_once = Parts(), node.taps_at_once
    loops = [size for size in sizes if size > 1]
    found.count(*loops)
    found.add(loops=len(loops))
    found.registers += len(loops) + node.schedule().latency + 2
    place_bits = (node.places - 1).bit_length()
    found.count(node.places)
    # All addresses share their increment. An addition is two sums, one of which is selected. A bit that is 0 in every
    # possible increment needs no LUT if it goes unchanged into the carry chain.
    moving = sum(
        int(np.bitwise_or.reduce(each)).bit_count() for each in (steps, (steps - node.places) % (2 * node.places))
    )
    found.add(address_sum_bits=2 * at_once * place_bits, moving_address_bits=at_once * moving)
    found.add(chosen_address_bits=at_once * place_bits, chosen_bits=place_bits * len(loops))
    found.registers += at_once * place_bits
    for values in _beats_by_window(node):
        found.add(sum_bits=place_bits + 1)
        found.registers += place_bits + 1
        _by_window(found, values)
    for _ in range(at_once):
        found.written(node.places, node.input_streams[0].width)
    return found


def _inside_bits(node: WindowNode) -> int:
    """Return the bits that say whether the rows and columns that are read at once are in the image."""
    at_once, wide = node.taps_at_once, node.kernel[1]
    top, bottom, left, right = node.padding
    padded = zip(
        (max(1, at_once // wide), min(at_once, wide)), node.shape, (top or bottom, left or right), strict=False
    )
    return sum(count * ((size - 1).bit_length() + 1) for count, size, pads in padded if pads)


def _address_steps(node: WindowNode) -> np.ndarray:
    """Return the possible increments of an address, modulo the places, int64: one for each loop and for a new frame."""
    pixel, (down, right), (apart_y, apart_x) = node.channel_folds, node.stride, node.dilation
    line, (tall, wide) = node.shape[1] * pixel, node.kernel
    high, broad = max(1, node.taps_at_once // wide), min(node.taps_at_once, wide)
    sizes = np.array([*node.positions, tall // high, wide // broad, pixel])
    beats = np.array([down * line, right * pixel, high * apart_y * line, broad * apart_x * pixel, 1])
    back = np.append(np.cumsum((beats * (sizes - 1))[::-1])[::-1][1:], 0)
    steps = np.append(beats - back, node.shape[0] * line - (beats * (sizes - 1)).sum())
    return steps[np.append(sizes > 1, True)] % node.places


def _loop_steps(node: BufferedNode, loops: tuple[Loop, ...]) -> np.ndarray:
    """Return the possible increments of an address, modulo the places, int64: one for each loop and for a new frame."""
    ends = np.array([loop.beats * (loop.size - 1) for loop in loops])
    inside = np.append(np.cumsum(ends[::-1])[::-1][1:], 0)
    steps = np.array([loop.beats for loop in loops]) - inside
    moving = np.array([loop.size > 1 for loop in loops])
    return np.append(steps[moving], node.input_streams[0].beats - ends.sum()) % node.places


def _beats_by_window(node: BufferedNode) -> tuple[np.ndarray, np.ndarray]:
    """Return how many more beats the next window needs, and how many each one frees, both (rows, columns) int64."""
    schedule, shape = node.schedule(), node.positions
    needs = schedule.needs.reshape(shape[0] * shape[1], -1)[:, 0]
    frees = schedule.frees.reshape(shape[0] * shape[1], -1)[:, -1]
    until = np.cumsum(frees) - frees + needs
    claims = np.append(until[1:], until[0] + frees.sum()) - until
    return claims.reshape(shape), frees.reshape(shape)


def _by_window(found: Parts, grid: np.ndarray) -> None:
    """Add the logic that finds a number of each window by its row and column, with a few kinds of each."""
    if (grid == grid.flat[0]).all():
        return
    bits = int(grid.max()).bit_length()
    following = np.roll(grid.ravel(), -1).reshape(grid.shape)
    kinds = np.unique(following, axis=0)
    found.add(grid_bits=bits, grid_kinds=len(kinds) - 1 + len(np.unique(kinds, axis=1).T) - 1)
    found.registers += bits
