"""Matrix products in compiled tiles: a few rows by a few vectors of neurons, whose sums stay in registers.

Neurons are in neighbouring lanes of a vector, so that a sum needs no addition across lanes and a comparison gives
bits that are already packed. A step of a tile adds one of these to the sums:

* for numbers, one synapse: ``x * w``
* for bytes, four synapses at once, if the processor multiplies bytes and adds groups of four products
* for bits, a word of 64 synapses: ``popcount(x XOR w)``, the synapses that differ

LLVM splits its vectors on a machine with narrower ones, so the code is not bound to one processor. All compiled code is
in this one file, because numba's cache is valid only as long as the file of a function does not change.
"""

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = ["byte_vector_width", "join", "multiply", "tile_neurons", "tile_rows"]

#: Rows of a tile, and vectors of neurons: the sums take 24 of 32 registers.
tile_rows = 6
tile_vectors = 4

#: Bits of a vector.
vector_width = 512

_i32, _i64 = ir.IntType(32), ir.IntType(64)


@cache
def byte_vector_width() -> int:
    """Return the width of vectors whose bytes the processor multiplies and adds in groups of four, or 0."""
    features = cpu_target.target_context.codegen().magic_tuple()[-1].split(",")
    return 512 if "+avx512vnni" in features else 256 if "+avxvnni" in features else 0


def tile_neurons(dtype: np.dtype) -> int:
    """Return the neurons of a tile for pixels of this type: as many as fill its vectors, or a word if that is fewer."""
    return min(64, tile_vectors * vector_width // _sum_width(dtype))


def _sum_width(dtype: np.dtype) -> int:
    """Return the bits of a sum for pixels of this type."""
    return 32 if dtype == np.uint8 else 8 * dtype.itemsize


@intrinsic
def _tile(
    typing_context: Any,
    pixels: Any,
    places: Any,
    offsets: Any,
    weights: Any,
    block: Any,
    limits: Any,
    levels: Any,
    out: Any,
    first: Any,
) -> Any:
    """Multiply `tile_rows` rows with one block of neurons; see `multiply` for the arrays.

    Parameters
    ----------
    places, levels : (tile_rows,) int64, the start of each row's window in all of `pixels`, and its class of limits
    block : index of the block of weights
    first : the first row in `out`
    """
    signature = types.void(pixels, places, offsets, weights, block, limits, levels, out, first)
    # Elements are counted from the start of an array.
    assert all(kind.layout == "C" for kind in signature.args if isinstance(kind, types.Array))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        views = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        dtype = np.dtype(pixels.dtype.name)
        kind = {np.dtype(np.uint64): _Words, np.dtype(np.uint8): _Bytes}.get(dtype, _Tile)
        kind(builder, dtype, out.dtype == types.uint8, *views).emit()
        return context.get_dummy_value()

    return signature, generate


class _Tile:
    """The instructions of one tile of numbers."""

    #: Relation between a sum and its limit for which a bit is one.
    relation = ">="

    def __init__(self, builder: Any, dtype: np.dtype, packs: bool, *arguments: Any) -> None:
        self.builder, self.packs = builder, packs
        self.pixels, self.places, self.offsets, self.weights, self.block = arguments[:5]
        self.limits, self.levels, self.out, self.first = arguments[5:]
        self.number = ir.IntType(_sum_width(dtype))
        self.lanes = vector_width // self.number.width
        self.neurons = tile_neurons(dtype)
        self.vector = ir.VectorType(self.number, self.lanes)

    def emit(self) -> None:
        """Sum over all steps, then write the bits, or the sums."""
        builder = self.builder
        zero = ir.Constant(self.vector, [0] * self.lanes)
        vectors = range(self.neurons // self.lanes)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in vectors] for _ in range(tile_rows)]
        steps = builder.extract_value(self.weights.shape, 1)
        before = builder.mul(self.block, steps)
        windows = [self._at(self.pixels, self._number(self.places, _i64(row))) for row in range(tile_rows)]
        with cgutils.for_range(builder, steps) as loop:
            offset = self._number(self.offsets, loop.index)
            start = builder.mul(builder.add(before, loop.index), _i64(self.neurons))
            weights = [self._load(self.weights, builder.add(start, _i64(vector * self.lanes))) for vector in vectors]
            for totals, window in zip(sums, windows, strict=True):
                x = self._spread(self._element(builder.gep(window, [offset])))
                for total, weight in zip(totals, weights, strict=True):
                    builder.store(self._added(builder.load(total), x, weight), total)
        # Loaded before the first store, because after it LLVM would load everything in memory again.
        levels = [self._number(self.levels, _i64(row)) for row in range(tile_rows)]
        for row, level in enumerate(levels):
            for vector in vectors:
                self._write(builder.load(sums[row][vector]), level, row, vector)

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        """Return a total after a step."""
        return self.builder.add(total, self.builder.mul(x, weight))

    def _at(self, array: Any, place: Any) -> Any:
        return self.builder.gep(array.data, [place])

    def _number(self, array: Any, place: Any) -> Any:
        return self.builder.load(self._at(array, place))

    def _element(self, place: Any) -> Any:
        return self.builder.load(place)

    def _write(self, total: Any, level: Any, row: int, vector: int) -> None:
        builder = self.builder
        width = builder.extract_value(self.out.shape, 1)
        place = builder.mul(builder.add(self.first, _i64(row)), width)
        neuron = builder.add(builder.mul(self.block, _i64(self.neurons)), _i64(vector * self.lanes))
        if self.packs:
            start = builder.mul(level, builder.extract_value(self.limits.shape, 1))
            limit = self._load(self.limits, builder.add(start, neuron))
            total = builder.bitcast(builder.icmp_signed(self.relation, total, limit), ir.IntType(self.lanes))
            neuron = builder.udiv(neuron, _i64(8))
        target = builder.bitcast(self._at(self.out, builder.add(place, neuron)), total.type.as_pointer())
        builder.store(total, target).align = 1

    def _load(self, array: Any, place: Any) -> Any:
        loaded = self.builder.load(self.builder.bitcast(self._at(array, place), self.vector.as_pointer()))
        loaded.align = self.number.width // 8
        return loaded

    def _spread(self, number: Any) -> Any:
        nothing = ir.Constant(self.vector, ir.Undefined)
        alone = self.builder.insert_element(nothing, number, _i32(0))
        return self.builder.shuffle_vector(
            alone, nothing, ir.Constant(ir.VectorType(_i32, self.lanes), [0] * self.lanes)
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        kind = ir.FunctionType(arguments[0].type, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


class _Words(_Tile):
    """The instructions of a tile of bits."""

    relation = "<="

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        ones = self._call(f"llvm.ctpop.v{self.lanes}i{self.number.width}", self.builder.xor(x, weight))
        return self.builder.add(total, ones)


class _Bytes(_Tile):
    """The instructions of a tile of bytes, four of which are read as one number.

    A product is of an unsigned and a signed byte. The sum of four products is added in 32 bits without saturation.
    """

    def _element(self, place: Any) -> Any:
        element = self.builder.load(self.builder.bitcast(place, self.number.as_pointer()))
        element.align = 1
        return element

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        parts = vector_width // byte_vector_width()
        operands = [self._parts(vector, parts) for vector in (total, x, weight)]
        name = f"llvm.x86.avx512.vpdpbusd.{byte_vector_width()}"
        sums = [self._call(name, *part) for part in zip(*operands, strict=True)]
        return sums[0] if parts == 1 else self._lanes(sums[0], sums[1], 0, self.lanes)

    def _parts(self, vector: Any, parts: int) -> list[Any]:
        size = self.lanes // parts
        return [self._lanes(vector, vector, part * size, size) for part in range(parts)]

    def _lanes(self, left: Any, right: Any, first: int, count: int) -> Any:
        numbers = list(range(first, first + count))
        return self.builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_i32, count), numbers))


@njit(cache=True, nogil=True)
def multiply(pixels, starts, offsets, weights, limits, levels, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Multiply a matrix with a window at every position of every frame, and compare the sums if `out` takes bits.

    Parameters
    ----------
    pixels : (frames, elements) uint64 words of bits, or int16, int32, int64 numbers; or uint8 numbers, with 3 more
        bytes in memory after the last
    starts : (positions,) int64, the element of a frame with which each window starts
    offsets : (elements of a window,) int64, their offsets from its start; for bytes, of groups of four elements
    weights : (blocks, elements of a window, neurons of a tile), of the type of the pixels; for bytes int32 that hold
        four int8, the first lowest
    limits : (classes, neurons of all blocks) int64 for bits, int32 for bytes, else of the type of the pixels: the
        largest number of synapses that may differ, or the least sum, for which a bit is one
    levels : (positions,) int64, the class of limits of each position
    out : (rows, bytes) uint8, for bits, with neuron 0 lowest, or (rows, neurons of all blocks) of the type of limits,
        for sums; its rows are frames times positions, and up to `tile_rows` - 1 more are written
    """
    places, classes = np.zeros(tile_rows, np.int64), np.zeros(tile_rows, np.int64)
    frame = position = 0
    rows = len(pixels) * len(starts)
    for first in range(0, rows, tile_rows):
        for row in range(min(tile_rows, rows - first)):
            places[row], classes[row] = frame + starts[position], levels[position]
            position += 1
            if position == len(starts):
                position = 0
                frame += pixels.shape[1]
        for block in range(len(weights)):
            _tile(pixels, places, offsets, weights, block, limits, classes, out, first)


@njit(cache=True, nogil=True)
def join(pixels, taps, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Combine the words of all pixels of a window with OR, which is the maximum of each bit.

    Parameters
    ----------
    pixels : (frames, pixels, words) uint64
    taps : (positions, taps) int64, pixels, or -1 for none
    out : (frames, positions, words) uint64, written
    """
    for frame in range(len(pixels)):
        for position in range(len(taps)):
            for word in range(pixels.shape[2]):
                joined = np.uint64(0)
                for tap in range(taps.shape[1]):
                    if taps[position, tap] >= 0:
                        joined |= pixels[frame, taps[position, tap], word]
                out[frame, position, word] = joined
