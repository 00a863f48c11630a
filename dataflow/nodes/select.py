"""Select: some channels of every position, in any order."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np

from dataflow.elements import Element
from dataflow.logic import Rom
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array, useful_lanes
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Select"]


@dataclass(frozen=True, eq=False)
class Select(Node):
    """Emit at every position the channels that are named, in the order in which they are named.

    This is wiring: each beat out is made of the channels of one beat in. A beat in that no beat out is made of is
    dropped. So `pe` depends on the channels. For a slice it is any number that divides its start; for an order in which
    neighbours come from all over the vector it is all channels, and width converters collect and divide the vector.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame in
    channels : (channels out,) int64, the channel in that each channel out repeats
    pe : channels of a beat in; a beat out has as many, or all channels out if these are fewer or `pe` is all channels
    """

    element: Element
    shape: tuple[int, ...]
    channels: np.ndarray
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    array_fields: ClassVar = ("channels",)
    format_version: ClassVar[int] = 6

    #: Cycles: the register that holds the beat out.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        object.__setattr__(self, "channels", frozen_array(self.channels, np.int64))
        count = self.shape[-1]
        legal = self.channels.ndim == 1 and self.channels.size > 0
        self._check(legal, "channels", "a vector of at least one", self.channels.shape)
        wrong = self.channels[(self.channels < 0) | (self.channels >= count)].tolist()
        self._check(not wrong, "channels", f"0 to {count - 1}, those of its input", *wrong[:1] or [None])
        self._check_lanes("pe", count, "channels")
        least = next(pe for pe in useful_lanes(count) if self._allows(pe))
        rule = f"such that each beat out takes from one beat in, as {least} or {count}"
        self._check(self._allows(self.pe), "pe", rule, self.pe)

    @classmethod
    def unfolded(cls, name: str, element: Element, shape: tuple[int, ...], channels: np.ndarray) -> Self:
        """Return the node with the fewest lanes that the channels allow."""
        whole = cls(name, element, shape, channels, shape[-1])
        return whole.refolded(next(whole.foldings(useful_lanes)))

    def _lanes_out(self, pe: int) -> int:
        return self.channels.size if pe == self.shape[-1] else min(pe, self.channels.size)

    def _by_beat(self, pe: int) -> np.ndarray:
        """Return the channels of each beat out, (beats, lanes) int64; inert lanes repeat the last channel."""
        lanes = self._lanes_out(pe)
        return np.pad(self.channels, (0, -self.channels.size % lanes), mode="edge").reshape(-1, lanes)

    def _allows(self, pe: int) -> bool:
        """Return whether each beat out takes from one beat in, and from a later one than the beat before it."""
        sources = self._by_beat(pe) // pe
        return bool((sources == sources[:, :1]).all() and (np.diff(sources[:, 0]) > 0).all())

    @property
    def wiring(self) -> np.ndarray:
        """(beats of a vector in, lanes out) int64, the lane in that each lane out takes from each beat in.

        It is -1 for an inert lane, and in all lanes for a beat that is dropped.
        """
        beats = self._by_beat(self.pe)
        lanes = beats % self.pe
        (stream,) = self.output_streams
        if stream.inert:
            lanes[-1, -stream.inert :] = -1
        found = np.full((self.input_streams[0].vector_beats, beats.shape[1]), -1, np.int64)
        found[beats[:, 0] // self.pe] = lanes
        return found

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.shape[:-1], self.channels.size), self._lanes_out(self.pe)),)

    def schedule(self) -> Schedule:
        emits = self.wiring[None, :, 0] >= 0
        return Schedule(np.ones_like(emits), emits, self.latency, repeats=prod(self.shape[:-1]))

    def structure(self) -> Structure:
        found = Parts()
        taken = self.wiring[self.wiring[:, 0] >= 0]
        # Inert lanes are registers that are reset. Beats that are all wired alike are counted only to drop some.
        sources = np.array([len(np.unique(lane[lane >= 0])) for lane in taken.T])
        dropped = len(taken) < self.schedule().period
        if dropped or sources.max() > 1 or taken.min() < 0:
            found.count(self.schedule().period)
        found.choose(sources, self.element.width, len(self.wiring))
        found.roms += self._sources_of_lanes(taken)
        found.registers += self.output_streams[0].width + self.latency + dropped
        return found.structure("Select")

    def _sources_of_lanes(self, taken: np.ndarray) -> list[Rom]:
        """Return the logic that finds a lane's source by the beat: a column for each but the usual one."""
        columns = set()
        for lane in taken.T:
            sources, counts = np.unique(lane, return_counts=True)
            columns |= {(lane == source).tobytes() for source in np.delete(sources, counts.argmax())}
        return [Rom(len(self.wiring), len(columns))] if columns else []

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            if self._allows(pe):
                yield {"pe": pe}
