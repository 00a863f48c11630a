"""What the testbench sends and expects: words of the reference, and cycles of the cycle simulator."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

import hwsim.packed
import hwsim.reference
from dataflow import Network, Stream, Terminal, beats_of, words_of
from hwsim import Run, simulate
from xnorflow.package.gates import stalls_of

__all__ = ["Vectors", "vectors_of"]

#: Largest number of products that the slow reference evaluates.
_REFERENCE_LIMIT = 20_000_000


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of some frames.

    Parameters
    ----------
    frames : how many
    oracle : where the expected words come from, "reference" or "packed"
    words : the word of each beat, by name of the input or output
    sent : the same for inputs, with garbage in the bits that the network must ignore
    cycles : the cycle of each beat out at full speed, followed by those with gaps, by name of the output
    latency : cycles from the first beat in to the first frame's last beat out
    first_beat_latency : the same to the first frame's first beat
    interval : cycles between frames in steady state
    steady : whether the last two frames are an interval apart
    longest_wait : most cycles without a beat at any end
    """

    frames: int
    oracle: str
    words: dict[str, list[int]]
    sent: dict[str, list[int]]
    cycles: dict[str, np.ndarray]
    latency: int
    first_beat_latency: int
    interval: int | float
    steady: bool
    longest_wait: int


def vectors_of(network: Network, frames: np.ndarray) -> Vectors:
    """Return the vectors for frames of a network's input.

    Parameters
    ----------
    frames : (frames, *input stream shape) int64

    Raises
    ------
    InputError
        The network deadlocks.
    """
    count = len(frames)
    oracle = "reference" if count * network.macs <= _REFERENCE_LIMIT else "packed"
    evaluate = hwsim.reference.evaluate if oracle == "reference" else hwsim.packed.evaluate
    values = evaluate(network, frames)
    fast = simulate(network, count, record=True)
    slow = simulate(network, count, stalls=stalls_of(network), record=True)
    words = {end.name: _words(values[_fifo(network, end)], end.stream) for end in (*network.inputs, *network.outputs)}
    rng = np.random.default_rng(0)
    return Vectors(
        frames=count,
        oracle=oracle,
        words=words,
        sent={end.name: _with_garbage(words[end.name], end.stream, rng) for end in network.inputs},
        cycles={
            end.name: np.concatenate([run.reads[_fifo(network, end)] for run in (fast, slow)])
            for end in network.outputs
        },
        latency=fast.first_frame_latency,
        first_beat_latency=fast.first_beat_latency,
        interval=fast.interval,
        # A mean over frames is a float, and no interval between two of them.
        steady=isinstance(fast.interval, int) and _last_gap(network, fast) == fast.interval,
        longest_wait=max(_longest_wait(network, run) for run in (fast, slow)),
    )


def _fifo(network: Network, end: Terminal) -> str:
    """Return the name of the FIFO at an end of the network."""
    fifos = network.fifos_out_of(end.name) if end in network.inputs else network.fifos_into(end.name)
    return fifos[0].name


def _words(values: np.ndarray, stream: Stream) -> list[int]:
    return words_of(beats_of(values, stream), stream)


def _with_garbage(words: Iterable[int], stream: Stream, rng: np.random.Generator) -> list[int]:
    """Return words with random bits above the beat and in inert lanes."""
    size = -(-stream.width // 8)
    ignored = [(1 << 8 * size) - (1 << stream.width)] * stream.vector_beats
    ignored[-1] = (1 << 8 * size) - (1 << (stream.lanes - stream.inert) * stream.element.width)
    return [
        word | int.from_bytes(rng.bytes(size), "little") & ignored[beat % stream.vector_beats]
        for beat, word in enumerate(words)
    ]


def _last_gap(network: Network, run: Run) -> int | None:
    """Return the cycles between the ends of the last two frames, or None for a single frame."""
    reads = [run.reads[_fifo(network, end)].reshape(run.frames, -1)[:, -1] for end in network.outputs]
    ends = np.max(reads, axis=0)
    return int(ends[-1] - ends[-2]) if run.frames > 1 else None


def _longest_wait(network: Network, run: Run) -> int:
    """Return the most cycles without a beat at the ends, from cycle 0 on."""
    moves = [run.writes[_fifo(network, end)] for end in network.inputs]
    moves += [run.reads[_fifo(network, end)] for end in network.outputs]
    return int(np.diff(np.unique(np.concatenate(moves)), prepend=-1).max())
