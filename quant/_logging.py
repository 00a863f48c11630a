"""Messages of other packages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["only_from"]


@contextmanager
def only_from(level: int, name: str) -> Iterator[None]:
    """Let a logger pass only messages of a level and above for a while."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
