"""Matrix products in compiled tiles: a few rows by a few vectors of neurons, whose sums stay in registers.

Neurons are in neighbouring lanes of a vector, so that a sum needs no addition across lanes and a comparison gives
bits that are already packed. The types of pixels and weights decide what a step of a tile adds to the sums:

* `_Numbers`, numbers: one synapse, ``x * w``
* `_Words`, words of bits: 64 synapses, ``popcount(x XOR w)``, those that differ
* `_ShortWords`, the same with 16 synapses, if the processor counts the bits of such words
* `_Fours`, bytes: four synapses at once, if the processor multiplies bytes and adds groups of four products (VNNI)
* `_Nibbles`, bytes of bits: 8 synapses, whose number that differ is looked up in a register, in halves
* `_BytePairs` and `_NumberPairs`, bytes and int16: two synapses at once

The last two lines are for processors with vectors of 256 bits (AVX2), the others for any: LLVM splits their vectors on
a machine with narrower ones. All compiled code is in this one file, because numba's cache is valid only as long as the
file of a function does not change.
"""

from functools import cache, reduce
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = [
    "byte_vector_width",
    "cache_line",
    "counts_short_words",
    "join",
    "looks_up_bits",
    "multiplies_pairs",
    "multiply",
    "tile_neurons",
    "tile_rows",
]

#: Rows of a tile.
tile_rows = 6

#: Bytes of a line of a processor's cache; a vector in two of them takes two accesses.
cache_line = 64

_i8, _i16, _i32, _i64 = (ir.IntType(width) for width in (8, 16, 32, 64))


@cache
def _features() -> frozenset[str]:
    """Return the instruction sets for which numba compiles."""
    flags = cpu_target.target_context.codegen().magic_tuple()[-1].split(",")
    return frozenset(flag[1:] for flag in flags if flag.startswith("+"))


def byte_vector_width() -> int:
    """Return the width of vectors whose bytes the processor multiplies and adds in groups of four, or 0."""
    return 512 if "avx512vnni" in _features() else 256 if "avxvnni" in _features() else 0


def multiplies_pairs() -> bool:
    """Return whether the processor multiplies bytes and numbers of 16 bits and adds pairs of products."""
    return "avx2" in _features()


def looks_up_bits() -> bool:
    """Return whether bits are counted fastest by looking them up: without an instruction that counts them."""
    return "avx2" in _features() and "avx512vpopcntdq" not in _features()


def counts_short_words() -> bool:
    """Return whether the processor counts the bits of words of 16."""
    return "avx512bitalg" in _features()


def tile_neurons(pixels: np.dtype, weights: np.dtype, neurons: int) -> int:
    """Return the neurons of a tile for pixels and weights of these types, in a matrix with so many neurons."""
    kind = _kind_of(pixels, weights)
    return next((size for size in kind.sizes(weights) if size >= neurons), kind.sizes(weights)[-1])


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
        dtypes = np.dtype(pixels.dtype.name), np.dtype(weights.dtype.name)
        _kind_of(*dtypes)(builder, dtypes[1], out.dtype == types.uint8, *views).emit()
        return context.get_dummy_value()

    return signature, generate


class _Tile:
    """The instructions of one tile."""

    #: Relation between a sum and its limit for which a bit is one.
    relation = ">="

    #: What a sum counts in the total, which starts with the limit.
    factor = 1

    #: Bits of a vector, and vectors of neurons: 24 of 32 registers for the sums of all rows.
    vector_width = 512
    vectors = 4

    #: Sums that are in registers at once, and how many rows can be done together; such groups follow one another.
    most_sums = 24
    row_counts: ClassVar[tuple[int, ...]] = (1, 2, 3, 6)

    def __init__(self, builder: Any, weights: np.dtype, packs: bool, *arguments: Any) -> None:
        self.builder, self.packs, self.weight_dtype = builder, packs, weights
        self.pixels, self.places, self.offsets, self.weights, self.block = arguments[:5]
        self.limits, self.levels, self.out, self.first = arguments[5:]
        self.number = ir.IntType(self.sum_width(weights))
        self._set_width(self.vector_width)

    def _set_width(self, width: int) -> None:
        self.vector_width = width
        self.lanes = width // self.number.width
        self.vector = ir.VectorType(self.number, self.lanes)

    @classmethod
    def sum_width(cls, weights: np.dtype) -> int:
        """Return the bits of a sum for weights of this type."""
        return 8 * weights.itemsize

    @classmethod
    def sizes(cls, weights: np.dtype) -> tuple[int, ...]:
        """Return for how many neurons there are tiles, rising: what fills the vectors, or a word if that is fewer."""
        return (min(64, cls.vectors * cls.vector_width // cls.sum_width(weights)),)

    def emit(self) -> None:
        """Emit the tiles of all sizes, of which the one is done that has as many neurons as the weights."""
        builder = self.builder
        self.steps = builder.extract_value(self.weights.shape, 1)
        self.elements = builder.extract_value(self.weights.shape, 2)
        self.neurons = builder.udiv(self.elements, _i64(self._element_count // self.lanes))
        widest = self.vector_width
        for size in self.sizes(self.weight_dtype):
            self._set_width(min(widest, size * self.number.width))
            with builder.if_then(builder.icmp_signed("==", self.neurons, _i64(size))):
                self._emit(size // self.lanes)

    def _emit(self, vectors: int) -> None:
        """Emit a tile: for one group of rows after another, sum over all steps, then write the bits, or the totals."""
        builder = self.builder
        # Loaded before the first store, because after it LLVM would load everything in memory again.
        levels = [self._number(self.levels, _i64(row)) for row in range(tile_rows)]
        windows = [self._at(self.pixels, self._number(self.places, _i64(row))) for row in range(tile_rows)]
        rows = max(count for count in self.row_counts if count * vectors <= self.most_sums)
        for first in range(0, tile_rows, rows):
            group = range(first, first + rows)
            sums = self._sums([windows[row] for row in group], vectors)
            for row, totals in zip(group, sums, strict=True):
                self._write([builder.load(total) for total in totals], levels[row], row)

    def _sums(self, windows: list[Any], vectors: int) -> list[list[Any]]:
        """Return the places of the sums over all steps, of each window and vector."""
        sums = self._zeros(self.vector, len(windows), vectors)
        with cgutils.for_range(self.builder, self.steps) as loop:
            self._step(loop.index, windows, sums)
        return sums

    def _zeros(self, kind: Any, rows: int, vectors: int) -> list[list[Any]]:
        zero = ir.Constant(kind, [0] * kind.count)
        return [[cgutils.alloca_once_value(self.builder, zero) for _ in range(vectors)] for _ in range(rows)]

    def _step(self, step: Any, windows: list[Any], sums: list[list[Any]]) -> None:
        """Add a step to all sums."""
        builder = self.builder
        offset, weights = self._number(self.offsets, step), self._weights_of(step, len(sums[0]))
        factors = [self._spread(builder.gep(window, [offset])) for window in windows]
        for vector, weight in enumerate(weights):
            for x, totals in zip(factors, sums, strict=True):
                builder.store(self._added(builder.load(totals[vector]), x, weight), totals[vector])

    def _weights_of(self, step: Any, vectors: int) -> list[Any]:
        """Return the vectors of weights of a step."""
        builder = self.builder
        start = builder.mul(builder.add(builder.mul(self.block, self.steps), step), self.elements)
        places = [builder.add(start, _i64(vector * self._element_count)) for vector in range(vectors)]
        return [self._load(self.weights, place, self._weight_vector) for place in places]

    @property
    def _element_count(self) -> int:
        """Elements of the weights in a vector."""
        return self.vector_width // (8 * self.weight_dtype.itemsize)

    @property
    def _weight_vector(self) -> Any:
        return ir.VectorType(ir.IntType(8 * self.weight_dtype.itemsize), self._element_count)

    def _spread(self, place: Any) -> Any:
        """Return what a step reads of a window, in every lane."""
        return self._broadcast(self.builder.load(place), self.vector)

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        """Return a total after a step."""
        raise NotImplementedError

    def _at(self, array: Any, place: Any) -> Any:
        return self.builder.gep(array.data, [place])

    def _number(self, array: Any, place: Any) -> Any:
        return self.builder.load(self._at(array, place))

    def _write(self, totals: list[Any], level: Any, row: int) -> None:
        """Write what a row's sums are in the vectors of neurons: bits, or totals."""
        builder = self.builder
        width = builder.extract_value(self.out.shape, 1)
        place = builder.mul(builder.add(self.first, _i64(row)), width)
        start = builder.mul(level, builder.extract_value(self.limits.shape, 1))
        first = builder.mul(self.block, self.neurons)
        limits = [
            self._load(self.limits, builder.add(builder.add(start, first), _i64(vector * self.lanes)), self.vector)
            for vector in range(len(totals))
        ]
        if self.packs:
            pairs = zip(totals, limits, strict=True)
            bits = [builder.icmp_signed(self.relation, total, limit) for total, limit in pairs]
            results = [builder.bitcast(each, ir.IntType(each.type.count)) for each in self._joined(bits)]
            first = builder.udiv(first, _i64(8))
        else:
            factors = ir.Constant(self.vector, [self.factor] * self.lanes)
            pairs = zip(totals, limits, strict=True)
            results = [builder.add(limit, builder.mul(total, factors)) for total, limit in pairs]
        elements = len(totals) * self.lanes // len(results) // (8 if self.packs else 1)
        for number, result in enumerate(results):
            target = self._at(self.out, builder.add(builder.add(place, first), _i64(number * elements)))
            builder.store(result, builder.bitcast(target, result.type.as_pointer())).align = 1

    def _joined(self, bits: list[Any]) -> list[Any]:
        """Return vectors of bits as they are written, one or several of the given ones at a time."""
        return bits

    def _load(self, array: Any, place: Any, kind: Any) -> Any:
        loaded = self.builder.load(self.builder.bitcast(self._at(array, place), kind.as_pointer()))
        loaded.align = kind.element.width // 8
        return loaded

    def _read(self, place: Any, number: Any) -> Any:
        """Return a number that is read at the place of its first byte."""
        read = self.builder.load(self.builder.bitcast(place, number.as_pointer()))
        read.align = 1
        return read

    def _broadcast(self, number: Any, kind: Any) -> Any:
        nothing = ir.Constant(kind, ir.Undefined)
        alone = self.builder.insert_element(nothing, number, _i32(0))
        return self.builder.shuffle_vector(
            alone, nothing, ir.Constant(ir.VectorType(_i32, kind.count), [0] * kind.count)
        )

    def _lanes(self, left: Any, right: Any, first: int, count: int) -> Any:
        numbers = list(range(first, first + count))
        return self.builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_i32, count), numbers))

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


class _Numbers(_Tile):
    """The instructions of a tile of numbers."""

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        return self.builder.add(total, self.builder.mul(x, weight))


class _Words(_Tile):
    """The instructions of a tile of words of bits.

    A sum counts the bits that differ, and each of these reduces the total by 2 from its maximum.
    """

    relation, factor = "<=", -2

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        name = f"llvm.ctpop.v{self.lanes}i{self.number.width}"
        return self.builder.add(total, self._call(name, self.vector, self.builder.xor(x, weight)))


class _ShortWords(_Words):
    """The instructions of a tile of short words of bits, which waste less where pixels have few channels.

    Matrices of 16 neurons have narrower vectors.
    """

    @classmethod
    def sizes(cls, weights: np.dtype) -> tuple[int, ...]:
        return 16, 32, 64


class _Fours(_Tile):
    """The instructions of a tile of bytes, four of which are read as one number.

    A product is of an unsigned and a signed byte. The sum of four products is added in 32 bits without saturation.
    """

    @classmethod
    def sizes(cls, weights: np.dtype) -> tuple[int, ...]:
        return 16, 32, 64

    def _spread(self, place: Any) -> Any:
        return self._broadcast(self._read(place, self.number), self.vector)

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        parts = self.vector_width // byte_vector_width()
        operands = [self._parts(vector, parts) for vector in (total, x, weight)]
        name = f"llvm.x86.avx512.vpdpbusd.{byte_vector_width()}"
        sums = [self._call(name, part[0].type, *part) for part in zip(*operands, strict=True)]
        return sums[0] if parts == 1 else self._lanes(sums[0], sums[1], 0, self.lanes)

    def _parts(self, vector: Any, parts: int) -> list[Any]:
        size = self.lanes // parts
        return [self._lanes(vector, vector, part * size, size) for part in range(parts)]


class _Half(_Tile):
    """The instructions of a tile with vectors of 256 bits and 16 registers, of which the sums take at most half.

    Matrices of few neurons have smaller tiles, with more rows at once.
    """

    vector_width = 256
    most_sums = 8

    def _joined(self, bits: list[Any]) -> list[Any]:
        """Return pairs of vectors, whose comparisons become bits with one instruction."""
        if len(bits) % 2:
            return bits
        pairs = zip(bits[::2], bits[1::2], strict=True)
        return [self._lanes(left, right, 0, 2 * self.lanes) for left, right in pairs]

    @classmethod
    def sizes(cls, weights: np.dtype) -> tuple[int, ...]:
        return tuple(size for size in (16, 32, 64) if size <= super(_Half, cls).sizes(weights)[0])


class _Pairs(_Half):
    """The instructions of a tile of numbers, two of which are read as one, and multiplied with two weights.

    Parameters
    ----------
    name : instruction that multiplies the elements of two vectors and adds neighbouring products
    width : bits of its elements
    """

    name: ClassVar[str]
    width: ClassVar[int]

    def _spread(self, place: Any) -> Any:
        return self._broadcast(self._read(place, self.number), self.vector)

    def _added(self, total: Any, x: Any, weight: Any) -> Any:
        elements = ir.VectorType(ir.IntType(self.width), self.vector_width // self.width)
        factors = [self.builder.bitcast(factor, elements) for factor in (x, weight)]
        return self.builder.add(total, self._call(self.name, self.vector, *factors))


class _BytePairs(_Pairs):
    """Unsigned bytes with signed weights.

    Sums have 16 bits and those of two products saturate, so matrices must be light enough for neither to overflow.
    """

    name, width = "llvm.x86.avx2.pmadd.ub.sw", 8


class _NumberPairs(_Pairs):
    """Numbers of 16 bits, with sums of 32 bits. Weights are bytes, so that two products fit."""

    name, width = "llvm.x86.avx2.pmadd.wd", 16


class _Nibbles(_Half):
    """The instructions of a tile of bytes of bits.

    There are 16 possible groups of four weights. The numbers of synapses that differ between each of them and four
    bits of a window are a table in a register, in which one instruction (`vpshufb`) looks up the groups of 16 neurons.
    A vector has the lower four synapses of these neurons and then their upper four, and the tables of all bytes are in
    memory.

    What is looked up is at most 4, so a byte holds that of two rows, the second one times 16: one instruction looks up
    both. What three steps give is added before the upper halves are taken out. Both the bytes and the upper halves are
    summed in bytes; the sum of the lower halves is their difference, modulo 256, until it is added to the totals.
    """

    relation, factor = "<=", -2
    row_counts = (2, 6)

    #: Steps whose counts fit into half a byte, and those that a turn of each of three loops adds.
    few_steps = 15 // 4
    loop_steps = 2 * few_steps, few_steps, 1

    #: Steps whose counts fit into a byte, in whole turns of the first loop.
    most_steps = 255 // 4 // loop_steps[0] * loop_steps[0]

    @classmethod
    def sum_width(cls, weights: np.dtype) -> int:
        return 16

    def _sums(self, windows: list[Any], vectors: int) -> list[list[Any]]:
        builder = self.builder
        pairs = list(zip(windows[::2], windows[1::2], strict=True))
        sums = self._zeros(self.vector, len(windows), vectors)
        with cgutils.for_range_slice(builder, _i64(0), self.steps, self._steps_at_once(), _i64) as (first, _):
            both, upper = (self._zeros(self._weight_vector, len(pairs), vectors) for _ in range(2))
            rest = builder.sub(self.steps, first)
            most = self._steps_at_once()
            count = builder.select(builder.icmp_signed("<", rest, most), rest, most)
            start = first
            for steps in self.loop_steps:
                groups = builder.udiv(count, _i64(steps))
                with cgutils.for_range(builder, groups) as loop:
                    step = builder.add(start, builder.mul(loop.index, _i64(steps)))
                    few = min(steps, self.few_steps)
                    for number in range(0, steps, few):
                        self._add_steps(builder.add(step, _i64(number)), few, pairs, both, upper)
                done = builder.mul(groups, _i64(steps))
                start, count = builder.add(start, done), builder.sub(count, done)
            for pair in range(len(pairs)):
                for vector in range(vectors):
                    second = builder.load(upper[pair][vector])
                    lower = builder.sub(builder.load(both[pair][vector]), builder.shl(second, self._bytes(4)))
                    self._add_bytes(sums[2 * pair][vector], lower)
                    self._add_bytes(sums[2 * pair + 1][vector], second)
        return sums

    def _steps_at_once(self) -> Any:
        """Return how many steps are added in bytes: processors predict the ends of equally long, short loops best."""
        builder = self.builder

        def over(number: Any, count: Any) -> Any:
            return builder.udiv(builder.add(number, builder.sub(count, _i64(1))), count)

        parts = over(self.steps, _i64(self.most_steps))
        turn = _i64(self.loop_steps[0])
        return builder.mul(over(over(self.steps, parts), turn), turn)

    def _add_steps(
        self, first: Any, steps: int, pairs: list[tuple[Any, Any]], both: list[list[Any]], upper: list[list[Any]]
    ) -> None:
        """Add a few steps to the sums of bytes, and of their upper halves, of each pair of windows and vector."""
        builder = self.builder
        looked_up = list[list[Any]]()
        for step in (builder.add(first, _i64(number)) for number in range(steps)):
            offset, weights = self._number(self.offsets, step), self._weights_of(step, len(both[0]))
            tables = [self._table(*(builder.load(builder.gep(each, [offset])) for each in pair)) for pair in pairs]
            looked_up.append(
                [
                    self._call("llvm.x86.avx2.pshuf.b", table.type, table, weight)
                    for table in tables
                    for weight in weights
                ]
            )
        for place, total, *counts in zip(chain(*both), chain(*upper), *looked_up, strict=True):
            count = reduce(builder.add, counts)
            builder.store(builder.add(builder.load(place), count), place)
            builder.store(builder.add(builder.load(total), builder.lshr(count, self._bytes(4))), total)

    def _add_bytes(self, total: Any, counts: Any) -> None:
        """Add the counts of the lower and of the upper four synapses of each neuron to its sum."""
        builder, half = self.builder, ir.VectorType(_i16, self.lanes)
        for part in range(2):
            wide = builder.zext(self._lanes(counts, counts, part * self.lanes, self.lanes), half)
            builder.store(builder.add(builder.load(total), wide), total)

    def _bytes(self, number: int) -> Any:
        return ir.Constant(self._weight_vector, [number] * self._weight_vector.count)

    def _table(self, first: Any, second: Any) -> Any:
        """Return the table of a byte of bits of two windows."""
        builder = self.builder
        loaded = []
        for name, kind, byte in (("differing", _tables, first), ("differing_16", _upper_tables, second)):
            tables = cgutils.global_constant(builder, name, ir.Constant(_tables_type, kind))
            tables.align = cache_line
            place = builder.gep(tables, [_i64(0), builder.zext(byte, _i64), _i64(0)])
            loaded.append(builder.load(builder.bitcast(place, self._weight_vector.as_pointer())))
            loaded[-1].align = 1
        return builder.or_(*loaded)


#: For each byte of bits, the bits that differ between its lower four and each number of four bits, and the same for its
#: upper four; and 16 times all of these.
_tables = [
    [(four ^ other).bit_count() for four in (byte & 15, byte >> 4) for other in range(16)] for byte in range(256)
]
_upper_tables = [[16 * count for count in table] for table in _tables]
_tables_type = ir.ArrayType(ir.ArrayType(_i8, 32), 256)

_KINDS: dict[tuple[type, type], type[_Tile]] = {
    (np.uint64, np.uint64): _Words,
    (np.uint16, np.uint16): _ShortWords,
    (np.uint8, np.int32): _Fours,
    (np.uint8, np.uint8): _Nibbles,
    (np.uint8, np.int16): _BytePairs,
    (np.int16, np.int32): _NumberPairs,
}


def _kind_of(pixels: np.dtype, weights: np.dtype) -> type[_Tile]:
    return _KINDS.get((pixels.type, weights.type), _Numbers)


@njit(cache=True, nogil=True)
def multiply(pixels, starts, offsets, weights, limits, levels, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Multiply a matrix with a window at every position of every frame, and compare the sums if `out` takes bits.

    Parameters
    ----------
    pixels : (frames, elements) uint64 or uint16 words or uint8 bytes of bits, or int16, int32, int64 numbers; or uint8
        numbers, with 3 more bytes in memory after the last, and for pairs int16 numbers with one more
    starts : (positions,) int64, the element of a frame with which each window starts
    offsets : (steps,) int64, what a step reads, from the start of the window: an element, or the first of several
    weights : (blocks, steps, neurons of a tile), of the type of the pixels; for fours int32 that hold four int8, the
        first lowest; for pairs of bytes int16 that hold two int8, and for pairs of numbers int32 that hold two int16.
        For bytes of bits (blocks, steps, 2 * neurons of a tile) uint8: of each 16 neurons the lower four bits and then
        the upper four
    limits : (classes, neurons of all blocks) of the type of the sums: int64 for words of bits, int16 for short words,
        bytes of bits and pairs of bytes, int32 for fours and pairs of numbers, else as the pixels. If `out` takes bits,
        the largest number of synapses that may differ, or the least sum, for which a bit is one; else what is added to
        each sum
    levels : (positions,) int64, the class of limits of each position
    out : (rows, bytes) uint8, for bits, with neuron 0 lowest, or (rows, neurons of all blocks) of the type of limits,
        for totals: the limit plus the sum, or for bits less twice the number that differ. Its rows are frames times
        positions, and up to `tile_rows` - 1 more are written
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
