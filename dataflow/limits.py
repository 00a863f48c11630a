"""Limits of what can be computed: files may say anything, and memory is taken for each number."""

import os

from dataflow.errors import InputError

__all__ = ["LIMIT", "MOST_BITS", "MOST_NUMBERS", "MOST_STEPS", "most_numbers", "require_numbers"]

#: Numbers of a stream in a frame, for each of which commands may take hundreds of bytes; the variable raises the limit.
MOST_NUMBERS, LIMIT = 1 << 22, "XNORFLOW_MOST_NUMBERS"

#: Bits of a beat, and steps of a node in a frame.
MOST_BITS, MOST_STEPS = 1 << 20, 1 << 40


def most_numbers() -> int:
    """Return how many numbers a stream may have in a frame."""
    text = os.environ.get(LIMIT, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InputError(f"${LIMIT} must be a number, not {text!r}")
    return int(text) if text else MOST_NUMBERS


def require_numbers(name: str, count: int) -> None:
    """Check how many numbers a stream of a node or end has in a frame.

    Raises
    ------
    InputError
        They are more than the limit.
    """
    limit = most_numbers()
    if count > limit:
        raise InputError(
            f"Streams of {name!r} must have at most {limit:,} numbers per frame, not {count:,} (${LIMIT} raises the "
            "limit)"
        )
