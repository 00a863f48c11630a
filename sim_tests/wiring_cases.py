"""Random networks whose channels and pixels are selected, moved and repeated, for the table of cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dataflow import (
    BIPOLAR,
    Concat,
    Fifo,
    Fork,
    Integer,
    MaxPool,
    Network,
    Rearrange,
    Select,
    Stream,
    fold,
    fold_to_interval,
)
from sim_tests.residual_cases import BlockBuilder, ended

__all__ = ["OF_IMAGES", "STAGES", "WIRING_CASES", "WiringCase", "wiring_network"]

Loops = tuple[tuple[int, int], ...]


class _Builder(BlockBuilder):
    """Builds a network of stages, each of which changes the channels or pixels of the stream."""

    def conv(self, name: str) -> None:
        """Append a layer of any number of neurons."""
        self.layer(name, int(self.rng.integers(2, 7)), thresholds=bool(self.rng.random() < 0.7))

    def shuffle(self, name: str) -> None:
        """Append a permutation of all channels."""
        self._select(name, self.rng.permutation(self.stream.shape[-1]))

    def gather(self, name: str) -> None:
        """Append a choice of channels, in any order and with repetitions."""
        count = self.stream.shape[-1]
        self._select(name, self.rng.integers(0, count, int(self.rng.integers(1, count + 2))))

    def slice(self, name: str) -> None:
        """Append a choice of neighbouring channels, or of every other one."""
        count = self.stream.shape[-1]
        start = int(self.rng.integers(0, count))
        self._select(name, np.arange(start, count, int(self.rng.integers(1, 3))))

    def split(self, name: str) -> None:
        """Divide the channels in two, put a layer after the first part, and concatenate both."""
        count = self.stream.shape[-1]
        fork = Fork(f"{name}.fork", self.stream.element, self.stream.shape)
        self.append(fork)
        middle = int(self.rng.integers(1, count)) if count > 1 else 1
        self._select(f"{name}.first", np.arange(middle))
        if self.stream.element == BIPOLAR:
            self.layer(f"{name}.layer", int(self.rng.integers(1, 5)), thresholds=True)
        first = (self.tail, self.port, self.stream)
        self.tail, self.port, self.stream = fork.name, 1, fork.output_streams[1]
        self._select(f"{name}.second", np.arange(min(middle, count - 1), count))
        self._stack(name, [(self.tail, self.port, self.stream), first])

    def upsample(self, name: str) -> None:
        """Append every pixel as a block of equal ones."""
        (height, width, channels), (down, right) = self.stream.shape, self.rng.integers(1, 4, 2).tolist()
        line = width * channels
        self._rearrange(name, ((height, line), (down, 0)), ((width, channels), (right, 0)), ((channels, 1),))

    def pixels(self, name: str) -> None:
        """Append channels as pixels (DepthToSpace), if they can be divided."""
        height, width, channels = self.stream.shape
        options = [(down, right) for down in (1, 2, 3) for right in (1, 2, 3) if channels % (down * right) == 0]
        down, right = options[int(self.rng.integers(len(options)))]
        part = channels // (down * right)
        rows, columns = ((height, width * channels), (down, right * part)), ((width, channels), (right, part))
        self._rearrange(name, rows, columns, ((part, 1),))

    def blocks(self, name: str) -> None:
        """Append pixels as channels (SpaceToDepth), of an image that can be divided."""
        height, width, channels = self.stream.shape
        down, right = (2 if size % 2 == 0 else size if size < 4 else 1 for size in (height, width))
        line = width * channels
        rows, columns = ((height // down, down * line),), ((width // right, right * channels),)
        self._rearrange(name, rows, columns, ((down, line), (right, channels), (channels, 1)))

    def crop(self, name: str) -> None:
        """Append a part of the image."""
        height, width, channels = self.stream.shape
        top, left = (int(self.rng.integers(0, size)) for size in (height, width))
        rows, columns = (int(self.rng.integers(1, size + 1)) for size in (height - top, width - left))
        line = width * channels
        start = top * line + left * channels
        self._rearrange(name, ((rows, line),), ((columns, channels),), ((channels, 1),), start=start)

    def turn(self, name: str) -> None:
        """Append the image with rows as columns, its columns from the last to the first."""
        height, width, channels = self.stream.shape
        line = width * channels
        self._rearrange(name, ((width, -channels),), ((height, line),), ((channels, 1),), start=line - channels)

    def skip(self, name: str) -> None:
        """Reduce the image, put a layer there, enlarge it again, and concatenate it with what it was (U-Net)."""
        height, width, _ = self.stream.shape
        down, right = (2 if size % 2 == 0 else 1 for size in (height, width))
        fork = Fork(f"{name}.fork", self.stream.element, self.stream.shape)
        self.append(fork)
        around = self.stream
        self.append(MaxPool(f"{name}.pool", self.stream.element, self.stream.shape, (down, right), (down, right)))
        if self.stream.element == BIPOLAR:
            self.layer(f"{name}.layer", int(self.rng.integers(1, 5)), thresholds=True)
        channels = self.stream.shape[-1]
        rows, columns = (height // down, width // right * channels), (width // right, channels)
        self._rearrange(f"{name}.up", (rows, (down, 0)), (columns, (right, 0)), ((channels, 1),))
        self._stack(name, [(fork.name, 1, around), (self.tail, self.port, self.stream)])

    def _rearrange(self, name: str, rows: Loops, columns: Loops, channels: Loops, *, start: int = 0) -> None:
        self.append(Rearrange(name, self.stream.element, self.stream.shape, rows, columns, channels, start))

    def _select(self, name: str, channels: np.ndarray) -> None:
        self.append(Select.unfolded(name, self.stream.element, self.stream.shape, channels))

    def _stack(self, name: str, ends: list[tuple[str, int, Stream]]) -> None:
        streams = [stream for _, _, stream in ends]
        elements, counts = tuple(each.element for each in streams), tuple(each.shape[-1] for each in streams)
        node = Concat(name, elements, counts, streams[0].shape[:-1])
        self.fifos += [Fifo(tail, name, port, number) for number, (tail, port, _) in enumerate(ends)]
        self.nodes.append(node)
        self.tail, self.port, self.stream = name, 0, node.output_streams[0]


#: What a stage may be.
STAGES: dict[str, Callable[[_Builder, str], None]] = {
    "conv": _Builder.conv,
    "shuffle": _Builder.shuffle,
    "gather": _Builder.gather,
    "slice": _Builder.slice,
    "split": _Builder.split,
    "upsample": _Builder.upsample,
    "pixels": _Builder.pixels,
    "blocks": _Builder.blocks,
    "crop": _Builder.crop,
    "turn": _Builder.turn,
    "skip": _Builder.skip,
}

#: The stages that need an image.
OF_IMAGES = {"upsample", "pixels", "blocks", "crop", "turn", "skip"}


def wiring_network(
    shape: tuple[int, ...], stages: tuple[str, ...], *, classes: int = 3, bits: bool = True, seed: int = 0
) -> Network:
    """Return a random network, unfolded: stages, a dense layer, the class.

    Parameters
    ----------
    shape : (features,), or (height, width, channels)
    stages : of `STAGES`; stage k and its nodes are called by its kind and k
    bits : whether a `Threshold` comes before the stages; otherwise they take the pixels
    """
    build = _Builder(np.random.default_rng(seed), "input", Stream(Integer(8), shape))
    if bits:
        build.sign("binarize")
    for index, stage in enumerate(stages):
        STAGES[stage](build, f"{stage}{index}")
    return ended(build, "wiring-" + "x".join(map(str, shape)), classes)


@dataclass(frozen=True)
class WiringCase:
    """A network for the table: how it is built and folded.

    Parameters
    ----------
    interval : nodes that `foldings` does not name are folded to it, if possible; without, with the fewest lanes
    """

    name: str
    shape: tuple[int, ...]
    stages: tuple[str, ...]
    foldings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    bits: bool = True
    interval: int | None = None
    seed: int = 0

    def network(self) -> Network:
        """Return the network, folded."""
        unfolded = wiring_network(self.shape, self.stages, bits=self.bits, seed=self.seed)
        foldings = self.foldings
        if self.interval is not None:
            foldings = fold_to_interval(unfolded, self.interval, fixed=foldings)
        return fold(unfolded, foldings)

    def __str__(self) -> str:
        return self.name


#: Channels: all in another order, some of them, some twice, parts that meet again; one lane, several, and all. Pixels:
#: repeated, exchanged with channels, left out, moved; bits and integers, with inert lanes, and branches around them.
WIRING_CASES = (
    WiringCase("shuffled", (7,), ("shuffle", "conv", "gather")),
    WiringCase("sliced", (12,), ("slice", "conv", "slice"), {"slice0": {"pe": 12}}, seed=4),
    WiringCase("inert-slice", (11,), ("slice", "conv", "slice"), {"slice0": {"pe": 4}, "conv1": {"simd": 4}}, seed=1),
    WiringCase("split-image", (3, 4, 6), ("split", "shuffle", "split"), interval=120),
    WiringCase("integers-sliced", (3, 3, 5), ("slice", "split", "shuffle", "gather"), bits=False, seed=2),
    WiringCase(
        "upsampled", (3, 2, 3), ("conv", "upsample", "conv", "upsample"), {"upsample1": {"pe": 2}}, interval=600
    ),
    WiringCase("pixels-and-blocks", (4, 2, 6), ("pixels", "conv", "blocks", "conv", "pixels"), interval=600, seed=3),
    WiringCase("integer-pixels", (4, 4, 5), ("crop", "upsample", "turn", "blocks"), bits=False, interval=300, seed=1),
    WiringCase("turned", (5, 3, 4), ("turn", "conv", "crop", "shuffle", "turn"), interval=300),
    WiringCase("skips", (4, 4, 3), ("skip", "conv", "skip"), interval=300, seed=2),
)
