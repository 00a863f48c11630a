"""The gaps that the testbench makes: the same shift register as in its Verilog.

Because the cycles are known in which an end is open, the cycle simulator gives the cycle of every beat with gaps too.
"""

from dataclasses import dataclass

import numpy as np

from dataflow import Network
from hwsim import Stalls

__all__ = ["Gate", "gates_of", "stalls_of"]

#: Cycles after which the pattern of an end begins anew: primes, so that the patterns of two ends meet in all ways.
_PERIODS = (1021, 1019, 1013, 1009, 997, 991, 983, 977)


@dataclass(frozen=True)
class Gate:
    """The pattern of cycles in which an end is open.

    Parameters
    ----------
    seed : first state of the shift register of 16 bits, not 0
    period : cycles after which the pattern begins anew, at most 1023
    shift : where in its phases the pattern begins
    """

    seed: int
    period: int
    shift: int

    @property
    def pattern(self) -> np.ndarray:
        """(period,) bool, the cycles in which the end is open."""
        opened, state = np.empty(self.period, bool), self.seed
        for phase in range(self.period):
            place = (phase + self.shift) % 1024
            half, rarely, mostly = bool(state & 1), state & 7 == 0, state & 3 != 0
            some = (half, rarely, True, mostly)[place >> 5 & 3]
            opened[phase] = some and place >> 7 != 5
            state = state << 1 & 0xFFFF | (state >> 15 ^ state >> 13 ^ state >> 12 ^ state >> 10) & 1
        return opened


def gates_of(network: Network) -> dict[str, Gate]:
    """Return the gate of each input and output, by name."""
    ends = (*network.inputs, *network.outputs)
    return {
        end.name: Gate((0xACE1 + 0x3D09 * index) % 0xFFFF + 1, _PERIODS[index % len(_PERIODS)], 32 * index % 1024)
        for index, end in enumerate(ends)
    }


def stalls_of(network: Network) -> Stalls:
    """Return the gates as stalls for the cycle simulator."""
    gates = gates_of(network)
    return Stalls(
        {end.name: gates[end.name].pattern for end in network.inputs},
        {end.name: gates[end.name].pattern for end in network.outputs},
    )
