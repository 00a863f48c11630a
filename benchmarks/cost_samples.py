"""The hardware with which the cost model is calibrated: single nodes and FIFOs of many sizes, and networks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cost_draws import FifoSample, draws, lines, matrix, steps, table, window_name
from benchmarks.cost_wiring import rearrangements, selects, spatial_arg_maxes
from benchmarks.networks import SFC, TFC
from dataflow import (
    BIPOLAR,
    Add,
    ArgMax,
    Concat,
    Element,
    Fork,
    Integer,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    SlidingWindow,
    SumPool,
    Threshold,
    WidthConverter,
    fold,
)
from dataflow.families import FAMILIES, Family
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network

__all__ = ["FifoSample", "Sample", "samples"]

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """A design to synthesize.

    Parameters
    ----------
    name : key of the sample in the data
    thing : the node, FIFO or network
    fitted : whether the model is fitted to it; otherwise it only measures the model's error
    fresh : whether nobody looked at it before the model was finished
    portable : whether it is made for any device family, where a family has hardware of its own
    """

    name: str
    thing: Node | FifoSample | Network
    fitted: bool = True
    fresh: bool = False
    portable: bool = False

    def is_for(self, family: Family) -> bool:
        """Return whether the sample is measured for a device family."""
        return not self.portable or (isinstance(self.thing, MatrixVector) and self.thing.in_chains(family))


def samples() -> list[Sample]:
    """Return all samples, the small ones first. Every fourth single node is kept out of the fit."""
    parts: list[Callable[[], Iterator[tuple[str, Node | FifoSample]]]] = [
        _bit_matrices,
        _integer_matrices,
        _thresholds,
        _converters,
        _arg_maxes,
        _forks,
        _adds,
        _concats,
        _windows,
        _pools,
        _fifos,
        _steps,
        _lines,
        _tables,
        _product_matrices,
        _matrices_at_once,
        selects,
        rearrangements,
        spatial_arg_maxes,
    ]
    found = []
    for part in parts:
        found += [Sample(name, thing, index % 4 != 3) for index, (name, thing) in enumerate(part())]
    drawn = list(draws(seed=1, count=8))
    found += [Sample(name, thing, index % 4 != 3) for index, (name, thing) in enumerate(drawn)]
    found += [Sample(name, thing, fitted=False) for name, thing in _others()]
    found += [Sample(name, thing, fitted=False) for name, thing in draws(seed=2, count=2)]
    fresh = [Sample(name, thing, fitted=False, fresh=True) for name, thing in draws(seed=3, count=2)]
    nodes = [*found, *fresh]
    portable = [
        replace(sample, name=f"{sample.name}-portable", portable=True)
        for sample in nodes
        if isinstance(sample.thing, MatrixVector)
    ]
    return [*nodes, *(each for each in portable if any(map(each.is_for, FAMILIES.values()))), *_networks()]


def _bit_matrices() -> Iterator[tuple[str, Node]]:
    # (neurons, synapses, pe, simd), with thresholds or sums.
    sizes = [
        (16, 64, 1, 8),
        (64, 64, 4, 16),
        (64, 256, 8, 32),
        (32, 288, 8, 36),
        (64, 784, 8, 28),
        (128, 576, 16, 32),
        (30, 100, 5, 20),
        (64, 576, 32, 32),
        (64, 128, 64, 32),
        (64, 64, 1, 64),
        (48, 96, 6, 96),
        (20, 30, 4, 5),
        (128, 128, 16, 64),
        (12, 60, 4, 6),
        (16, 48, 16, 48),
        (8, 24, 4, 24),
        (64, 72, 32, 9),
        (36, 120, 12, 10),
        (32, 64, 2, 2),
    ]
    for size in sizes:
        yield matrix(*size, BIPOLAR, True)
    for size in [(10, 64, 1, 4), (10, 64, 10, 8), (10, 256, 5, 1), (10, 128, 2, 32), (16, 36, 4, 12), (10, 64, 5, 16)]:
        yield matrix(*size, BIPOLAR, False)


def _integer_matrices() -> Iterator[tuple[str, Node]]:
    sizes = [
        (16, 27, 4, 27, Integer(8), True),
        (64, 27, 16, 3, Integer(8), True),
        (8, 9, 8, 9, Integer(8), True),
        (32, 75, 4, 15, Integer(8), True),
        (16, 16, 2, 4, Integer(4), True),
        (10, 64, 2, 8, Integer(2), False),
        (64, 27, 8, 9, Integer(8), True),
        (24, 48, 3, 16, Integer(8, signed=True), True),
        (16, 32, 8, 8, Integer(3), True),
        (64, 27, 16, 9, Integer(8), True),
        (12, 20, 2, 5, Integer(6, signed=True), False),
    ]
    for size in sizes:
        yield matrix(*size)


def _product_matrices() -> Iterator[tuple[str, Node]]:
    int2, int3, int4, int5, int6, int8 = (Integer(width, signed=True) for width in (2, 3, 4, 5, 6, 8))
    # Masks, digits, products.
    sizes: list[tuple[int, int, int, int, Element, bool, Element]] = [
        (16, 64, 4, 8, BIPOLAR, True, int2),
        (10, 128, 2, 16, BIPOLAR, False, int8),
        (10, 64, 10, 4, BIPOLAR, False, int4),
        (32, 36, 8, 12, BIPOLAR, True, int2),
        (24, 48, 6, 6, Integer(2), True, int8),
        (12, 40, 4, 5, Integer(1), True, int3),
        (10, 60, 2, 6, Integer(2), False, int5),
        (16, 27, 4, 9, Integer(3), True, int8),
        (16, 27, 4, 9, Integer(8), True, int2),
        (64, 27, 8, 9, Integer(8), True, int2),
        (32, 64, 4, 8, Integer(2), True, int2),
        (24, 48, 3, 16, int2, True, int2),
        (16, 36, 4, 6, Integer(4), True, int4),
        (10, 64, 2, 8, Integer(4), False, int3),
        (12, 20, 2, 5, int6, False, int4),
        (8, 16, 8, 4, Integer(8), True, int4),
        (16, 27, 4, 3, Integer(8), True, int8),
        (8, 27, 2, 9, Integer(8), True, int8),
        (10, 32, 2, 4, Integer(4), False, int8),
        (16, 16, 2, 2, int8, True, int8),
        (12, 20, 1, 5, Integer(6), False, int6),
        (8, 12, 4, 4, Integer(8), True, int5),
        (64, 27, 8, 3, Integer(8), True, int8),
        (10, 48, 1, 8, int5, False, int8),
    ]
    for size in sizes:
        yield matrix(*size)


def _matrices_at_once() -> Iterator[tuple[str, Node]]:
    """Yield matrices of bits whose neurons share sums."""
    for neurons, synapses, thresholded in [
        (64, 64, True),
        (10, 64, False),
        (32, 100, True),
        (8, 256, True),
        (24, 30, True),
        (5, 600, True),
        (12, 12, False),
        (48, 200, True),
        (1, 64, True),
        (40, 18, True),
        (20, 784, True),
        (16, 120, False),
        (6, 6, True),
    ]:
        yield matrix(neurons, synapses, neurons, synapses, BIPOLAR, thresholded)


def _thresholds() -> Iterator[tuple[str, Node]]:
    for width, channels, pe, shared in [
        (8, 784, 4, True),
        (8, 784, 28, True),
        (8, 64, 8, False),
        (8, 16, 16, False),
        (12, 256, 4, False),
        (16, 32, 2, False),
        (6, 24, 24, False),
        (10, 128, 16, False),
        (8, 96, 6, False),
        (14, 1024, 1, False),
        (9, 64, 64, True),
        (12, 40, 10, False),
    ]:
        rng = np.random.default_rng(width * channels + pe)
        levels = rng.integers(1, 1 << width, 1 if shared else channels)
        name = f"threshold-{width}-{channels}-pe{pe}{'-shared' if shared else ''}"
        yield name, Threshold("node", Integer(width), (channels,), levels, pe)


def _converters() -> Iterator[tuple[str, Node]]:
    for width, channels, lanes_in, lanes_out in [
        (1, 64, 4, 16),
        (1, 64, 16, 4),
        (1, 784, 28, 8),
        (1, 96, 6, 32),
        (1, 256, 64, 1),
        (1, 64, 1, 64),
        (8, 12, 3, 1),
        (8, 12, 1, 4),
        (12, 10, 10, 2),
        (1, 60, 12, 10),
        (1, 60, 10, 12),
        (1, 576, 64, 32),
        (1, 128, 32, 64),
        (10, 10, 5, 1),
        (1, 36, 4, 9),
        (1, 60, 8, 12),
        (1, 48, 6, 16),
        (1, 96, 3, 8),
        (4, 24, 6, 8),
        (1, 60, 9, 12),
        (1, 120, 10, 24),
        (1, 84, 6, 28),
        (1, 40, 5, 8),
        (1, 34, 1, 4),
        (1, 45, 2, 7),
        (1, 62, 1, 6),
        (2, 27, 4, 5),
    ]:
        name = f"converter-{width}-{channels}-{lanes_in}-{lanes_out}"
        yield name, WidthConverter("node", Integer(width), (channels,), lanes_in, lanes_out)


def _arg_maxes() -> Iterator[tuple[str, Node]]:
    for width, classes, pe, uneven in [
        (8, 10, 1, False),
        (8, 10, 2, False),
        (10, 10, 10, False),
        (12, 100, 5, False),
        (8, 10, 1, True),
        (11, 10, 5, False),
        (7, 4, 4, False),
        (10, 10, 2, True),
        (9, 1000, 4, False),
        (9, 12, 6, True),
        (16, 10, 1, False),
        (8, 26, 13, False),
    ]:
        rng = np.random.default_rng(width * classes + pe)
        scale = rng.integers(1, 16, classes) if uneven else np.ones(classes, np.int64)
        offset = rng.integers(-99, 100, classes) if uneven else np.zeros(classes, np.int64)
        name = f"arg_max-{width}-{classes}-pe{pe}{'-uneven' if uneven else ''}"
        yield name, ArgMax("node", Integer(width, signed=True), scale, offset, pe)


def _forks() -> Iterator[tuple[str, Node]]:
    for width, channels, pe, copies in [(8, 10, 1, 2), (10, 10, 5, 2), (1, 64, 64, 3), (12, 12, 4, 2), (8, 16, 2, 4)]:
        yield f"fork-{width}-{pe}-{copies}", Fork("node", Integer(width), (channels,), copies, pe)


def _adds() -> Iterator[tuple[str, Node]]:
    signed = Integer(8, signed=True)
    table: list[tuple[tuple[Element, ...], Integer | None, int]] = [
        ((BIPOLAR, BIPOLAR), None, 8),
        ((signed, BIPOLAR), None, 4),
        ((signed, signed), None, 16),
        ((Integer(6), signed), None, 6),
        ((signed, signed), signed, 8),
        ((BIPOLAR, BIPOLAR, BIPOLAR), None, 12),
        ((Integer(4), Integer(4), Integer(4)), None, 5),
        ((Integer(12, signed=True), Integer(5, signed=True)), Integer(6, signed=True), 3),
        ((BIPOLAR, BIPOLAR, BIPOLAR, BIPOLAR), None, 4),
        ((Integer(10, signed=True), BIPOLAR), None, 32),
        ((Integer(7), Integer(7)), Integer(5), 4),
        ((Integer(10, signed=True), signed), signed, 6),
        ((signed, signed, BIPOLAR), None, 8),
        ((Integer(11, signed=True), Integer(11, signed=True)), None, 12),
        ((Integer(6, signed=True),) * 4, Integer(6, signed=True), 2),
        ((Integer(4), Integer(6)), Integer(5), 7),
        ((Integer(5), Integer(5)), Integer(4), 6),
        ((BIPOLAR,) * 5, None, 6),
    ]
    for operands, result, pe in table:
        types = "-".join(map(str, operands))
        name = f"add-{types}-pe{pe}{'' if result is None else f'-to-{result}'}"
        yield name, Add("node", operands, (16 * pe,), result, pe)


def _concats() -> Iterator[tuple[str, Node]]:
    signed = Integer(8, signed=True)
    table: list[tuple[tuple[Element, ...], Sizes, Sizes, int]] = [
        ((BIPOLAR, BIPOLAR), (64, 64), (8, 8), 16),
        ((signed, signed), (32, 16), (), 4),
        ((BIPOLAR, BIPOLAR, BIPOLAR), (16, 16, 16), (4, 4), 2),
        ((Integer(6, signed=True), Integer(10, signed=True)), (24, 40), (6, 6), 8),
        ((BIPOLAR, BIPOLAR), (256, 64), (), 64),
        ((signed,) * 4, (12, 24, 12, 12), (5, 5), 12),
        ((Integer(4), Integer(4)), (10, 15), (3, 3), 5),
        ((BIPOLAR, BIPOLAR), (48, 24), (7, 7), 24),
    ]
    for operands, channels, positions, pe in table:
        kinds, sizes = "-".join(map(str, operands)), "-".join(map(str, channels))
        yield f"concat-{kinds}-{sizes}-pe{pe}", Concat("node", operands, channels, positions, pe)


def _window_sizes() -> list[tuple[Element, Sizes, Sizes, Sizes, Sizes, Sizes, int]]:
    # (element, shape, kernel, stride, dilation, padding, pe)
    return [
        (BIPOLAR, (14, 14, 16), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 16),
        (BIPOLAR, (30, 30, 64), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 64),
        (Integer(8), (32, 32, 3), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 3),
        (BIPOLAR, (28, 28, 64), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 32),
        (BIPOLAR, (12, 12, 128), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 32),
        (Integer(8), (28, 28, 1), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
        (BIPOLAR, (32, 32, 64), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 64),
        (BIPOLAR, (16, 16, 32), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 8),
        (BIPOLAR, (5, 5, 256), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 16),
        (BIPOLAR, (3, 3, 256), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 32),
        (BIPOLAR, (20, 24, 24), (5, 5), (2, 2), (1, 1), (2, 2, 2, 2), 12),
        (Integer(4), (9, 17, 6), (3, 3), (1, 1), (2, 2), (0, 0, 0, 0), 2),
        (BIPOLAR, (14, 14, 64), (1, 1), (2, 2), (1, 1), (0, 0, 0, 0), 16),
        (Integer(8), (32, 32, 3), (5, 5), (1, 1), (1, 1), (2, 2, 2, 2), 3),
        (BIPOLAR, (1, 128, 16), (1, 9), (1, 1), (1, 1), (0, 0, 4, 4), 16),
        (BIPOLAR, (8, 8, 96), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 24),
    ]


def _steps() -> Iterator[tuple[str, Node]]:
    # (element, channels, pe, whether shared, bits of a code)
    sizes = [
        (Integer(8, signed=True), 64, 8, False, 2),
        (Integer(10, signed=True), 64, 64, True, 2),
        (Integer(8, signed=True), 32, 4, False, 3),
        (Integer(12, signed=True), 128, 16, False, 2),
        (Integer(6), 48, 6, False, 4),
        (Integer(9, signed=True), 16, 16, False, 2),
        (Integer(11), 256, 2, False, 2),
        (Integer(8), 30, 7, True, 3),
        (Integer(14, signed=True), 512, 1, False, 3),
        (Integer(7, signed=True), 24, 12, False, 3),
        (Integer(10, signed=True), 100, 10, False, 2),
        (Integer(9), 20, 20, False, 4),
    ]
    for size in sizes:
        yield steps(*size)


def _lines() -> Iterator[tuple[str, Node]]:
    # The same, then pieces and bits of a multiplier.
    sizes = [
        (Integer(8, signed=True), 64, 4, False, 4, 1, 8),
        (Integer(12, signed=True), 64, 2, False, 8, 1, 10),
        (Integer(10, signed=True), 32, 8, True, 4, 1, 6),
        (Integer(9, signed=True), 64, 4, False, 3, 2, 6),
        (Integer(6), 48, 6, False, 4, 2, 8),
        (Integer(13, signed=True), 256, 1, False, 8, 1, 12),
        (Integer(8), 6, 6, False, 4, 1, 7),
        (Integer(7, signed=True), 30, 4, True, 4, 3, 5),
        (Integer(11, signed=True), 48, 3, False, 6, 1, 9),
        (Integer(10, signed=True), 512, 1, False, 5, 3, 8),
        (Integer(5, signed=True), 60, 6, False, 3, 1, 4),
        (Integer(12, signed=True), 32, 2, False, 8, 1, 20),
        (Integer(8), 24, 6, True, 5, 3, 7),
        (Integer(10, signed=True), 36, 3, True, 4, 3, 8),
        (Integer(16, signed=True), 64, 1, False, 8, 1, 20),
        (Integer(9, signed=True), 40, 4, True, 4, 2, 6),
        (Integer(14, signed=True), 16, 2, False, 6, 1, 21),
    ]
    for size in sizes:
        yield lines(*size)


def _tables() -> Iterator[tuple[str, Node]]:
    sizes = [
        (Integer(5, signed=True), 32, 4, True, 3),
        (Integer(8, signed=True), 64, 3, True, 4),
        (Integer(6, signed=True), 6, 6, False, 3),
        (Integer(7), 64, 4, True, 8),
        (Integer(4, signed=True), 24, 6, False, 4),
        (Integer(8), 32, 4, False, 8),
        (Integer(8, signed=True), 20, 5, True, 2),
        (Integer(5), 32, 4, False, 2),
    ]
    for size in sizes:
        yield table(*size)


def _windows() -> Iterator[tuple[str, Node]]:
    for element, shape, kernel, stride, dilation, padding, pe in _window_sizes():
        name = window_name("window", element, shape, kernel, stride, dilation, padding, pe)
        yield name, SlidingWindow("node", element, shape, kernel, stride, dilation, padding, pe)
    table: list[tuple[Element, Sizes, int, int, int, int]] = [
        (BIPOLAR, (14, 14, 16), 3, 0, 16, 3),
        (Integer(8), (16, 18, 2), 3, 0, 2, 9),
        (BIPOLAR, (12, 12, 48), 3, 1, 48, 3),
        (BIPOLAR, (20, 20, 24), 5, 0, 24, 5),
        (BIPOLAR, (10, 10, 8), 3, 1, 8, 9),
        (Integer(4), (24, 24, 4), 2, 0, 4, 4),
        (BIPOLAR, (28, 28, 32), 3, 0, 32, 9),
        (Integer(6), (15, 22, 3), 3, 1, 3, 3),
    ]
    for element, shape, size, outside, pe, simd in table:
        kernel, padding = (size, size), (outside,) * 4
        name = f"{window_name('window', element, shape, kernel, (1, 1), (1, 1), padding, pe)}-simd{simd}"
        yield name, SlidingWindow("node", element, shape, kernel, padding=padding, pe=pe, simd=simd)


def _pools() -> Iterator[tuple[str, Node]]:
    table: list[tuple[Element, Sizes, Sizes, Sizes, Sizes, int]] = [
        (BIPOLAR, (28, 28, 64), (2, 2), (2, 2), (0, 0, 0, 0), 32),
        (BIPOLAR, (10, 10, 128), (2, 2), (2, 2), (0, 0, 0, 0), 16),
        (Integer(8), (8, 8, 16), (2, 2), (2, 2), (0, 0, 0, 0), 4),
        (BIPOLAR, (26, 26, 16), (2, 2), (2, 2), (0, 0, 0, 0), 4),
        (BIPOLAR, (15, 15, 32), (3, 3), (2, 2), (1, 1, 1, 1), 32),
        (Integer(5), (13, 13, 8), (3, 3), (2, 2), (0, 0, 0, 0), 8),
        (BIPOLAR, (32, 32, 128), (2, 2), (2, 2), (0, 0, 0, 0), 128),
        (BIPOLAR, (12, 12, 24), (2, 2), (2, 2), (0, 0, 0, 0), 24),
    ]
    for element, shape, kernel, stride, padding, pe in table:
        name = window_name("max_pool", element, shape, kernel, stride, (1, 1), padding, pe)
        yield name, MaxPool("node", element, shape, kernel, stride, padding=padding, pe=pe)


def _others() -> Iterator[tuple[str, Node]]:
    """Yield samples that are never fitted to: several taps at once, sum pools, groups, thresholds by position."""
    yield "taps-3", SlidingWindow("node", BIPOLAR, (30, 30, 64), (3, 3), pe=64, simd=3)
    yield "taps-9", SlidingWindow("node", Integer(8), (32, 32, 3), (3, 3), pe=3, simd=9)
    yield "sum_pool", SumPool("node", Integer(4), (8, 8, 32), (4, 4), (4, 4), pe=4)
    grouped = conv_network((10, 10, 8), (16,), groups=4, padding=(1, 1, 1, 1), zero=True)
    yield "grouped", grouped.node("conv0").folded({"pe": 2, "simd": 6})
    classed = conv_network((12, 12, 16), (32,), padding=(1, 1, 1, 1), zero=True)
    yield "by-position", classed.node("conv0").folded({"pe": 4, "simd": 36})


def _fifos() -> Iterator[tuple[str, FifoSample]]:
    for width, depth in [
        (8, 2),
        (1, 4),
        (32, 5),
        (64, 8),
        (16, 7),
        (1, 60),
        (10, 20),
        (4, 32),
        (28, 31),
        (8, 64),
        (64, 16),
        (32, 100),
        (16, 300),
        (64, 64),
        (12, 700),
        (1, 1000),
        (40, 24),
        (128, 12),
        (256, 9),
        (100, 33),
        (3, 150),
        (24, 12),
        (2, 3),
        (512, 4),
        (8, 4000),
        (36, 512),
    ]:
        yield f"fifo-{width}x{depth}", FifoSample(width, depth)


def _networks() -> Iterator[Sample]:
    # Folded by hand, because a folding that the model chooses would change with the model.
    for name, unfolded, foldings in (
        ("tfc-a", dense_network(TFC), _dense_foldings(4, (8, 28), (1, 32), (1, 32), (1, 4))),
        ("tfc-b", dense_network(TFC), _dense_foldings(1, (4, 16), (1, 8), (1, 8), (1, 1))),
        ("tfc-c", dense_network(TFC), _dense_foldings(14, (16, 49), (4, 16), (4, 16), (2, 8))),
        ("sfc-a", dense_network(SFC), _dense_foldings(2, (8, 49), (4, 32), (4, 32), (1, 8))),
        ("dense-a", dense_network((100, 40, 30, 10)), _dense_foldings(5, (8, 10), (5, 8), (2, 6))),
        ("conv-a", conv_network((12, 12, 3), (16, 16), classes=10, integers=True), _conv_foldings((4, 27), (8, 16))),
        ("conv-b", conv_network((28, 28, 1), (8, 16), classes=10, pool=(2, 2)), _conv_foldings((1, 9), (4, 8))),
    ):
        yield Sample(name, fold(unfolded, foldings), fitted=False)


def _dense_foldings(lanes: int, *layers: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Return the folding of a dense network: pixels per beat, then pe and simd of each layer."""
    folding = {f"fc{index}": {"pe": pe, "simd": simd} for index, (pe, simd) in enumerate(layers)}
    return {"binarize": {"pe": lanes}, **folding}


def _conv_foldings(*layers: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Return the folding of a convolutional network: pe and simd of each convolution."""
    return {f"conv{index}": {"pe": pe, "simd": simd} for index, (pe, simd) in enumerate(layers)}
