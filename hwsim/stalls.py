"""Stalls: the cycles in which the environment offers beats to a network and takes beats from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dataflow import InputError, Network

__all__ = ["Stalls", "random_stalls"]


@dataclass(frozen=True, eq=False)
class Stalls:
    """The gates at the two ends, each a (cycles,) bool array that repeats for ever.

    In cycle t the gate of an end is ``gate[t % len(gate)]``; an end that is not named is always open.

    Parameters
    ----------
    inputs : by input name; in a cycle with an open gate the source may start to offer a beat, which it then holds
        until the beat is accepted. The next beat needs an open gate in a later cycle.
    outputs : by output name; in a cycle with an open gate the sink is ready
    """

    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, gate in (*self.inputs.items(), *self.outputs.items()):
            if not isinstance(gate, np.ndarray) or gate.dtype != bool or gate.ndim != 1:
                raise TypeError(f"Stall gate of {name!r} must be a bool array of one dimension, not {gate!r}")
            if not gate.any():
                raise InputError(f"Stall gate of {name!r} must be open in some cycle, not in none of {len(gate)}")

    @classmethod
    def none(cls) -> "Stalls":
        """Return gates that are always open."""
        return cls()

    def check(self, network: Network) -> None:
        """Raise InputError if a gate does not belong to an end of `network`."""
        for what, gates, ends in (("Input", self.inputs, network.inputs), ("Output", self.outputs, network.outputs)):
            known = [terminal.name for terminal in ends]
            for name in gates:
                if name not in known:
                    raise InputError(f"{what} with a stall gate must be one of {', '.join(known)}, not {name!r}")


def random_stalls(
    network: Network, seed: int, *, cycles: int = 1021, longest_pause: int = 60, open_chance: float | None = None
) -> Stalls:
    """Return random stalls for both ends of a network, the same for the same arguments.

    A gate is a sequence of bursts. Each burst draws how often it is open (never, rarely, half of the time, mostly,
    always), and lasts up to `longest_pause` cycles. So full speed, single bubbles and long pauses occur at each end.

    Parameters
    ----------
    cycles : length of the gates; the lengths of different ends differ by a few cycles, so that all combinations occur
    longest_pause : longest burst, in cycles
    open_chance : if given, the probability with which each cycle of each gate is open, without bursts, above 0
    """
    if seed < 0:
        raise InputError(f"Seed of stalls must be at least 0, not {seed!r}")
    if cycles < 1:
        raise InputError(f"Stall cycles must be at least 1, not {cycles!r}")
    if longest_pause < 1:
        raise InputError(f"Longest pause must be at least 1 cycle, not {longest_pause!r}")
    if open_chance is not None and not 0 < open_chance <= 1:
        raise InputError(f"Open chance must be above 0 and at most 1, not {open_chance!r}")
    rng = np.random.default_rng(seed)

    def gate() -> np.ndarray:
        length = cycles + int(rng.integers(0, min(8, cycles)))
        values = _bursts(rng, length, longest_pause) if open_chance is None else rng.random(length) < open_chance
        values[rng.integers(length)] = True
        return values

    return Stalls(
        {terminal.name: gate() for terminal in network.inputs},
        {terminal.name: gate() for terminal in network.outputs},
    )


def _bursts(rng: np.random.Generator, length: int, longest: int) -> np.ndarray:
    values = np.empty(length, bool)
    start = 0
    while start < length:
        end = min(length, start + int(rng.integers(1, longest + 1)))
        chance = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        values[start:end] = rng.random(end - start) < chance
        start = end
    return values
