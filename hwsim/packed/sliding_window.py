"""SlidingWindow on packed tensors."""

from dataflow import SlidingWindow
from hwsim.packed._tensors import Tensor, Windows, grouped_windows_of, windows_of

__all__ = ["sliding_window"]


def sliding_window(node: SlidingWindow, x: Tensor | Windows) -> Tensor | Windows:
    """Return the windows as views of the image; those of groups are copied."""
    return grouped_windows_of(node, x.plain) if node.groups > 1 else windows_of(node, x.plain)
