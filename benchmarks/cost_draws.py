"""Nodes and FIFOs of random sizes, for calibrating the cost model and for judging it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cost_wiring import CHOICES, VIEWS, choice, peaks, view
from dataflow import (
    BIPOLAR,
    Add,
    ArgMax,
    Element,
    InputError,
    Integer,
    MatrixVector,
    MaxPool,
    Node,
    Requantize,
    SlidingWindow,
    SumPool,
    Threshold,
    WidthConverter,
)
from sim_tests.cases import random_weights

__all__ = ["FifoSample", "draws", "lines", "matrix", "steps", "table", "window_name"]


@dataclass(frozen=True)
class FifoSample:
    """A FIFO of `depth` words of `width` bits."""

    width: int
    depth: int


#: Draws the sizes of a sample; none if they make no sample.
Draw = Callable[[np.random.Generator], tuple[str, Node | FifoSample] | None]


def draws(seed: int, count: int) -> Iterator[tuple[str, Node | FifoSample]]:
    """Yield `count` samples of each kind, twice as many matrices of bits, each with a name that contains its sizes."""
    rng = np.random.default_rng(seed)
    kinds: list[Draw] = [_bit_matrix, _bit_matrix, _integer_matrix, _threshold, _converter, _arg_max, _window, _pool]
    kinds += [_fifo, _sum_pool, _add]
    for kind in kinds:
        for _ in range(count):
            yield _possible(kind, rng)
    # With generators of their own, so that a kind that is added changes no other sample.
    later: list[tuple[Draw, int]] = [
        (_product_matrix, count),
        *((kind, count // 2) for kind in (_steps, _lines, _table, _choice, _view, _peaks)),
    ]
    for number, (kind, times) in enumerate(later, 1):
        alone = np.random.default_rng((seed, number))
        for _ in range(times):
            yield _possible(kind, alone)


def _possible(kind: Draw, rng: np.random.Generator) -> tuple[str, Node | FifoSample]:
    """Return a sample of a kind; sizes that do not make a node are drawn again."""
    while True:
        try:
            found = kind(rng)
        except (InputError, ValueError):
            continue
        if found is not None:
            return found


def _size(rng: np.random.Generator, low: float, high: float) -> int:
    """Return a size whose logarithm is uniformly distributed."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _part(rng: np.random.Generator, whole: int, most: int) -> int:
    """Return how many of `whole` things are processed at once: usually a divisor."""
    if rng.random() < 0.2:
        return min(_size(rng, 1, min(whole, most)), whole)
    return int(rng.choice([each for each in range(1, min(whole, most) + 1) if whole % each == 0]))


def _rounded(rng: np.random.Generator, size: int) -> int:
    """Return a size that is usually a multiple of 4."""
    return size if rng.random() < 0.2 else max(4, 4 * round(size / 4))


def _bit_matrix(rng: np.random.Generator) -> tuple[str, Node] | None:
    neurons, synapses = _rounded(rng, _size(rng, 8, 300)), _rounded(rng, _size(rng, 16, 1500))
    pe, simd = _part(rng, neurons, 48), _part(rng, synapses, 96)
    if not 4 <= pe * simd <= 1200 or neurons * synapses > 200_000:
        return None
    return matrix(neurons, synapses, pe, simd, BIPOLAR, rng.random() < 0.8)


def _integer_matrix(rng: np.random.Generator) -> tuple[str, Node] | None:
    width = int(rng.integers(2, 9))
    operand = Integer(width, signed=bool(rng.random() < 0.3))
    neurons, synapses = _rounded(rng, _size(rng, 8, 100)), _size(rng, 6, 200)
    pe, simd = _part(rng, neurons, 16), _part(rng, synapses, 32)
    if pe * simd * width > 1500:
        return None
    return matrix(neurons, synapses, pe, simd, operand, rng.random() < 0.8)


def _product_matrix(rng: np.random.Generator) -> tuple[str, Node] | None:
    operand: Element = BIPOLAR
    if rng.random() < 0.7:
        operand = Integer(int(rng.integers(2, 9)), signed=bool(rng.random() < 0.3))
    weight_element = Integer(int(rng.integers(2, 9)), signed=True)
    neurons, synapses = _rounded(rng, _size(rng, 8, 64)), _size(rng, 6, 120)
    pe, simd = _part(rng, neurons, 8), _part(rng, synapses, 16)
    if pe * simd * operand.width * weight_element.width > 1500:
        return None
    return matrix(neurons, synapses, pe, simd, operand, rng.random() < 0.7, weight_element)


def matrix(
    neurons: int,
    synapses: int,
    pe: int,
    simd: int,
    operand: Element,
    thresholded: bool,
    weight_element: Element = BIPOLAR,
) -> tuple[str, MatrixVector]:
    """Return a matrix of random weights, with thresholds or sums, and its name."""
    rng = np.random.default_rng(neurons * synapses + pe * simd)
    weights = random_weights(rng, (neurons, synapses), weight_element)
    bare = MatrixVector("node", weights, None, pe, simd, operand=operand, weight_element=weight_element)
    low, high = bare.counted
    spread = round((synapses**0.5) * max(abs(operand.minimum), operand.maximum))
    levels = np.clip((low + high) // 2 + rng.integers(-spread, spread + 1, neurons), low, high + 1)
    name = f"matrix-{neurons}x{synapses}-pe{pe}-simd{simd}-{operand}{'' if thresholded else '-sums'}"
    name += "" if weight_element == BIPOLAR else f"-{weight_element}"
    return name, replace(bare, thresholds=levels) if thresholded else bare


def _threshold(rng: np.random.Generator) -> tuple[str, Node]:
    width, channels = int(rng.integers(4, 17)), _rounded(rng, _size(rng, 8, 1000))
    pe, shared = _part(rng, channels, 64), bool(rng.random() < 0.3)
    levels = rng.integers(1, 1 << width, 1 if shared else channels)
    name = f"threshold-{width}-{channels}-pe{pe}{'-shared' if shared else ''}"
    return name, Threshold("node", Integer(width), (channels,), levels, pe)


def _converter(rng: np.random.Generator) -> tuple[str, Node] | None:
    width = int(rng.choice([1, 1, 1, 2, 4, 8, 12]))
    channels = _rounded(rng, _size(rng, 8, 600))
    before, after = _part(rng, channels, 96), _part(rng, channels, 96)
    if before == after or max(before, after) * width > 300:
        return None
    name = f"converter-{width}-{channels}-{before}-{after}"
    return name, WidthConverter("node", Integer(width), (channels,), before, after)


def _arg_max(rng: np.random.Generator) -> tuple[str, Node]:
    width, classes = int(rng.integers(5, 17)), _size(rng, 4, 300)
    pe, uneven = _part(rng, classes, 12), bool(rng.random() < 0.3)
    scale = rng.integers(1, 16, classes) if uneven else np.ones(classes, np.int64)
    offset = rng.integers(-99, 100, classes) if uneven else np.zeros(classes, np.int64)
    name = f"arg_max-{width}-{classes}-pe{pe}{'-uneven' if uneven else ''}"
    return name, ArgMax("node", Integer(width, signed=True), scale, offset, pe)


def _image(rng: np.random.Generator) -> tuple[Element, tuple[int, int, int], int]:
    """Return element, shape and lanes of an image."""
    element = BIPOLAR if rng.random() < 0.7 else Integer(int(rng.integers(2, 9)))
    channels = _rounded(rng, _size(rng, 4, 256)) if element == BIPOLAR else _size(rng, 1, 24)
    height = _size(rng, 6, 40)
    width = height if rng.random() < 0.6 else _size(rng, 6, 40)
    return element, (height, width, channels), _part(rng, channels, 128)


def _window(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, shape, pe = _image(rng)
    kernel = (int(rng.choice([1, 3, 3, 3, 5])),) * 2
    stride = (1, 1) if rng.random() < 0.7 else (2, 2)
    padding = (kernel[0] // 2,) * 4 if rng.random() < 0.4 else (0,) * 4
    simd = kernel[1] if rng.random() < 0.2 else 1
    if pe * element.width > 128 or kernel == (1, 1) == stride:
        return None
    name = window_name("window", element, shape, kernel, stride, (1, 1), padding, pe)
    node = SlidingWindow("node", element, shape, kernel, stride, (1, 1), padding, pe, simd=simd)
    return f"{name}{f'-simd{simd}' if simd > 1 else ''}", node


def _pool(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, shape, pe = _image(rng)
    size = int(rng.choice([2, 2, 3]))
    if pe * element.width > 128:
        return None
    name = window_name("max_pool", element, shape, (size, size), (2, 2), (1, 1), (0,) * 4, pe)
    return name, MaxPool("node", element, shape, (size, size), (2, 2), pe=pe)


def _sum_pool(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, shape, pe = _image(rng)
    size = int(rng.choice([2, 3, 4]))
    if pe * element.width > 64:
        return None
    name = window_name("sum_pool", element, shape, (size, size), (size, size), (1, 1), (0,) * 4, pe)
    return name, SumPool("node", element, shape, (size, size), (size, size), pe=pe)


def _add(rng: np.random.Generator) -> tuple[str, Node]:
    operands = tuple(
        BIPOLAR if rng.random() < 0.3 else Integer(int(rng.integers(3, 13)), signed=bool(rng.random() < 0.8))
        for _ in range(int(rng.integers(2, 5)))
    )
    pe, result = _size(rng, 1, 24), Integer(int(rng.integers(4, 9)), signed=True) if rng.random() < 0.3 else None
    name = f"add-{'-'.join(map(str, operands))}-pe{pe}{'' if result is None else f'-to-{result}'}"
    return name, Add("node", operands, (8 * pe,), result, pe)


def _numbers(rng: np.random.Generator, widest: int) -> Integer:
    return Integer(int(rng.integers(4, widest + 1)), signed=bool(rng.random() < 0.7))


def _channels(rng: np.random.Generator, most: int) -> tuple[int, int, bool]:
    """Return channels, numbers at once, and whether all channels have one function."""
    channels = _rounded(rng, _size(rng, 8, 500))
    return channels, _part(rng, channels, most), bool(rng.random() < 0.25)


def _steps(rng: np.random.Generator) -> tuple[str, Node]:
    return steps(_numbers(rng, 14), *_channels(rng, 12), int(rng.integers(2, 5)))


def _lines(rng: np.random.Generator) -> tuple[str, Node]:
    pieces, width = int(rng.choice([1, 1, 2, 3])), int(rng.integers(4, 13))
    return lines(_numbers(rng, 14), *_channels(rng, 6), int(rng.integers(2, 9)), pieces, width)


def _table(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, (channels, pe, shared), width = _numbers(rng, 8), _channels(rng, 4), int(rng.integers(2, 9))
    if not shared and channels << element.width > 40_000:
        return None
    return table(element, channels, pe, shared, width)


def _choice(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, (_, _, channels), pe = _image(rng)
    kind = str(rng.choice(CHOICES))
    if pe * element.width > 128 or (kind == "shuffle" and pe < channels):
        return None
    return choice(kind, element, channels, pe)


def _view(rng: np.random.Generator) -> tuple[str, Node] | None:
    element, shape, _ = _image(rng)
    kind = str(rng.choice(VIEWS))
    pe = _part(rng, shape[-1] // 4 if kind == "pixels" else shape[-1], 64)
    return None if pe * element.width > 128 else view(kind, element, shape, pe)


def _peaks(rng: np.random.Generator) -> tuple[str, Node]:
    channels = _size(rng, 1, 32)
    shape = (_size(rng, 4, 64), _size(rng, 4, 64), channels)
    return peaks(int(rng.integers(4, 17)), shape, _part(rng, channels, 8))


def steps(element: Integer, channels: int, pe: int, shared: bool, width: int) -> tuple[str, Requantize]:
    """Return a node that compares, with codes of `width` bits, and its name. Some channels count down."""
    rng = np.random.default_rng(channels * element.width + pe)
    rows, codes = 1 if shared else channels, np.arange(1 << width)
    spread = max(1, element.maximum // 3)
    starts = (element.minimum + element.maximum) // 2 + rng.integers(-spread, spread + 1, (rows, len(codes) - 1))
    offsets = np.where(rng.random((rows, 1)) < 0.3, codes[::-1], codes)
    node = Requantize(
        "node", element, (channels,), Integer(width), np.sort(starts), np.zeros_like(offsets), offsets, pe=pe
    )
    return _codes_name(node), node


def lines(
    element: Integer, channels: int, pe: int, shared: bool, width: int, pieces: int, multiplier_width: int
) -> tuple[str, Requantize]:
    """Return a node that multiplies, with codes of `width` bits, and its name."""
    rng = np.random.default_rng(channels * element.width + pe)
    rows, most = 1 if shared else channels, 1 << multiplier_width - 1
    multipliers = rng.integers(most // 4, most, (rows, pieces)) * rng.choice([-1, 1], (rows, 1), p=[0.3, 0.7])
    shift = max(0, element.width + multiplier_width - width - 2)
    offsets = (1 << shift >> 1) + rng.integers(-2 << shift, 2 << shift, (rows, pieces))
    spread = max(1, element.maximum // 3)
    starts = (element.minimum + element.maximum) // 2 + rng.integers(-spread, spread + 1, (rows, pieces - 1))
    result = Integer(width, signed=element.signed)
    node = Requantize("node", element, (channels,), result, np.sort(starts), multipliers, offsets, shift, pe=pe)
    return f"{_codes_name(node)}-{pieces}x{multiplier_width}", node


def table(element: Integer, channels: int, pe: int, shared: bool, width: int) -> tuple[str, Requantize]:
    """Return a node that reads tables of functions that fall and rise, with codes of `width` bits, and its name."""
    rng = np.random.default_rng(channels * element.width + pe)
    rows = 1 if shared else channels
    numbers = np.linspace(-1, 1, 1 << element.width)
    bend, lowest = rng.uniform(0.3, 1.5, (rows, 1)), rng.uniform(-0.6, 0.6, (rows, 1))
    values = bend * (numbers - lowest) ** 2 * (1 << width)
    codes = np.clip(np.floor(values), 0, (1 << width) - 1).astype(np.int64)
    node = Requantize("node", element, (channels,), Integer(width), table=codes, pe=pe)
    return _codes_name(node), node


def _codes_name(node: Requantize) -> str:
    shared = "-shared" if node.rows == 1 else ""
    return f"{node.form}-{node.element}-{node.result}-{node.shape[-1]}-pe{node.pe}{shared}"


def window_name(
    kind: str,
    element: Element,
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    pe: int,
) -> str:
    """Return the name of a sample that moves a kernel over an image."""
    sizes = ["x".join(map(str, size)) for size in (shape, kernel, stride, dilation, padding)]
    return f"{kind}-{element}-{'-'.join(sizes)}-pe{pe}"


def _fifo(rng: np.random.Generator) -> tuple[str, FifoSample] | None:
    width, depth = _size(rng, 1, 300), _size(rng, 2, 2000)
    if width * depth > 40_000:
        return None
    return f"fifo-{width}x{depth}", FifoSample(width, depth)
