"""The signal on a serial line: levels and their durations."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

__all__ = ["BROKEN", "LineReader", "Wave", "broken_byte", "characters_of", "high", "low", "wave_of"]

#: A signal as pieces of a level and its duration in bits.
Wave = tuple[tuple[int, float], ...]

#: Added to a byte whose stop bit is low.
BROKEN = 0x100


def wave_of(data: Iterable[int], bit: float = 1.0) -> Wave:
    """Return the wave of bytes; a sender whose clock is slow has a longer `bit`."""
    return tuple((level, bit) for byte in data for level in _levels(byte, 1))


def broken_byte(byte: int) -> Wave:
    """Return a byte with a low stop bit, followed by a high line."""
    return (*((level, 1.0) for level in _levels(byte, 0)), (1, 1.0))


def high(bits: float) -> Wave:
    """Return an idle line."""
    return ((1, bits),)


def low(bits: float) -> Wave:
    """Return a line that is pulled down and then high: a glitch if it is short, a break if it is long."""
    return ((0, bits), (1, 1.0))


def _levels(byte: int, stop: int) -> list[int]:
    return [0, *(byte >> position & 1 for position in range(8)), stop]


def characters_of(wave: Wave) -> list[int]:
    """Return the characters of a receiver with an exact clock: bytes, plus `BROKEN` if the stop bit is low."""
    ends = list(accumulate(duration for _, duration in wave))

    def level(time: float) -> int:
        index = bisect_right(ends, time)
        return wave[index][0] if index < len(wave) else 1

    def next_time(wanted: int, time: float) -> float:
        """Return the next time from `time` on at which the line has this level."""
        return next((t for t in (time, *ends) if t >= time and level(t) == wanted), ends[-1])

    characters = []
    time = next_time(0, 0.0)
    while level(time) == 0:
        if level(time + 0.5):  # too short for a start bit
            time += 0.5
        else:
            byte = sum(level(time + 1.5 + position) << position for position in range(8))
            characters.append(byte if level(time + 9.5) else byte + BROKEN)
            time = next_time(1, time + 9.5)
        time = next_time(0, time)
    return characters


class LineReader:
    """A receiver that gets the level in every cycle.

    Parameters
    ----------
    divisor : cycles per bit
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        self._levels: list[int] = []
        self.received = bytearray()

    def sample(self, level: int) -> None:
        """Process the level of one cycle; a complete byte is appended to `received`."""
        if self._levels or not level:
            self._levels.append(level)
        if len(self._levels) == 10 * self._divisor:
            bits = [self._levels[start : start + self._divisor] for start in range(0, len(self._levels), self._divisor)]
            assert all(len(set(bit)) == 1 for bit in bits), f"levels must change at the borders of bits only: {bits}"
            start, *data, stop = (bit[0] for bit in bits)
            assert (start, stop) == (0, 1), f"start and stop bit must be 0 and 1, not {start} and {stop}"
            self.received.append(sum(level << position for position, level in enumerate(data)))
            self._levels.clear()
