"""The setup and the recording of a run of the testbench, as files that are exchanged with the simulator's process."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

__all__ = ["Beats", "FifoSetup", "InputSetup", "OutputSetup", "Recording", "Setup"]


@dataclass(frozen=True)
class FifoSetup:
    """The expected traffic of a FIFO.

    Parameters
    ----------
    name : the FIFO's name
    width : bits of a beat
    beats : beats expected in the whole run
    """

    name: str
    width: int
    beats: int


@dataclass(frozen=True)
class InputSetup:
    """The stimulus of an input.

    Parameters
    ----------
    words : (beats, bytes) uint8, little-endian
    frame_beats : beats per frame; the last of each carries `last`
    gate : (cycles,) bool, repeated cyclically
    """

    words: np.ndarray
    frame_beats: int
    gate: np.ndarray


@dataclass(frozen=True)
class OutputSetup:
    """How an output is read.

    Parameters
    ----------
    width : bits of a beat
    beats : beats expected in the whole run
    gate : (cycles,) bool, repeated cyclically
    """

    width: int
    beats: int
    gate: np.ndarray


T = TypeVar("T", FifoSetup, InputSetup, OutputSetup)


@dataclass(frozen=True)
class Setup:
    """The complete setup of a run of the testbench.

    Parameters
    ----------
    fifos : every FIFO
    inputs, outputs : the ends
    patience : number of cycles without any beat after which the run stops
    margin : number of cycles after the last expected beat, in which no beat may move
    """

    fifos: tuple[FifoSetup, ...]
    inputs: tuple[InputSetup, ...]
    outputs: tuple[OutputSetup, ...]
    patience: int
    margin: int

    def save(self, path: Path) -> None:
        """Write the setup as one .npz file."""
        arrays = {"limits": np.array([self.patience, self.margin], np.int64)}
        kinds: dict[str, Sequence[FifoSetup | InputSetup | OutputSetup]] = {
            "fifo": self.fifos,
            "input": self.inputs,
            "output": self.outputs,
        }
        for what, parts in kinds.items():
            for index, part in enumerate(parts):
                for each in fields(part):
                    arrays[f"{what}{index}.{each.name}"] = np.asarray(getattr(part, each.name))
        np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy fears an array called allow_pickle

    @classmethod
    def load(cls, path: Path) -> "Setup":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:

            def parts(what: str, kind: type[T]) -> tuple[T, ...]:
                count = sum(name.startswith(what) for name in file.files) // len(fields(kind))
                return tuple(
                    kind(*(_plain(file[f"{what}{index}.{each.name}"]) for each in fields(kind)))
                    for index in range(count)
                )

            patience, margin = file["limits"].tolist()
            return cls(
                parts("fifo", FifoSetup), parts("input", InputSetup), parts("output", OutputSetup), patience, margin
            )


def _plain(array: np.ndarray) -> Any:
    return array if array.ndim else array.item()


@dataclass(frozen=True)
class Beats:
    """The beats that were transferred at one place.

    Parameters
    ----------
    cycles : (beats,) int64
    words : (beats, bytes) uint8, little-endian
    """

    cycles: np.ndarray
    words: np.ndarray


@dataclass(frozen=True)
class Recording:
    """The recording of a run.

    Parameters
    ----------
    writes, reads : the beats written into and read from every FIFO
    accepted : (beats,) int64 per input, the cycles in which its beats were accepted
    taken : the beats read at every output
    lasts : (beats,) bool per output, whether the beat carried `last`
    frame_errors : (n,) int64, the cycles in which the frame error was signalled
    cycles : cycles simulated
    stood : a sentence about the state in which the run stopped without progress; empty if it finished
    """

    writes: tuple[Beats, ...]
    reads: tuple[Beats, ...]
    accepted: tuple[np.ndarray, ...]
    taken: tuple[Beats, ...]
    lasts: tuple[np.ndarray, ...]
    frame_errors: np.ndarray
    cycles: int
    stood: str

    def save(self, path: Path) -> None:
        """Write the recording as one .npz file."""
        arrays: dict[str, np.ndarray] = {
            "frame_errors": self.frame_errors,
            "cycles": np.array(self.cycles),
            "stood": np.array(self.stood),
        }
        for what, places in (("write", self.writes), ("read", self.reads), ("output", self.taken)):
            for index, beats in enumerate(places):
                arrays[f"{what}{index}_cycles"] = beats.cycles
                arrays[f"{what}{index}_words"] = beats.words
        arrays.update({f"input{index}_accepted": cycles for index, cycles in enumerate(self.accepted)})
        arrays.update({f"output{index}_lasts": lasts for index, lasts in enumerate(self.lasts)})
        np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy fears an array called allow_pickle

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:

            def arrays(prefix: str, suffix: str) -> tuple[np.ndarray, ...]:
                count = sum(name.startswith(prefix) and name.endswith(suffix) for name in file.files)
                return tuple(file[f"{prefix}{index}{suffix}"] for index in range(count))

            def places(what: str) -> tuple[Beats, ...]:
                return tuple(map(Beats, arrays(what, "_cycles"), arrays(what, "_words")))

            return cls(
                places("write"),
                places("read"),
                arrays("input", "_accepted"),
                places("output"),
                arrays("output", "_lasts"),
                file["frame_errors"],
                int(file["cycles"]),
                str(file["stood"]),
            )
