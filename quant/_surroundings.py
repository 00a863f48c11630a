"""What a training changes around itself while it runs: threads, memory, the compiler's limits, messages of others."""

import ctypes
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._dynamo import config as compiler_config
from torch._dynamo.exc import TorchDynamoException

from dataflow import InputError
from quant._logging import only_from
from quant.recipes import Recipe

__all__ = ["compiler", "compiler_sentences", "memory_kept", "quiet", "quiet_log_writer", "threads"]

#: Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4

#: Graphs that torch's compiler keeps of one function.
_MOST_GRAPHS = 64


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many processor threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def compiler_sentences() -> Iterator[None]:
    """Say in a sentence why torch's compiler cannot compile a network."""
    try:
        yield
    except TorchDynamoException as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"Network must be one that torch compiles with compiled=true, not: {reason}") from error


@contextmanager
def compiler(recipe: Recipe) -> Iterator[None]:
    """Let torch's compiler keep as many graphs as there may be: two sizes of batches in each stage and run."""
    if not recipe.compiled:
        yield
        return
    with compiler_config.patch(recompile_limit=_MOST_GRAPHS):
        yield


@contextmanager
def memory_kept() -> Iterator[None]:
    """Make glibc keep the memory of freed tensors. This halves a step: fresh pages cost more than the arithmetic."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(_MMAP_MAX, 65536)
        mallopt(_TRIM_THRESHOLD, 128 * 1024)


@contextmanager
def quiet_log_writer() -> Iterator[None]:
    """Silence the traceback of the thread that writes a log, on a full disk: the training gets its error as well."""
    original = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, OSError):
            original(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = original


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's messages about processors, its tips, and its own use of features that torch deprecates."""
    with only_from(logging.WARNING, "lightning.pytorch"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
        yield
