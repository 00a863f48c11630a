"""What stands in the way of lowering a model: every cause once, each in one sentence."""

from collections.abc import Iterable

from dataflow import InputError

__all__ = ["NotLowerableError"]


class NotLowerableError(InputError):
    """A model that cannot be lowered.

    Parameters
    ----------
    refusals : one sentence for each node that cannot be lowered, with the cause and the remedy, in the file's order
    """

    def __init__(self, refusals: Iterable[str]) -> None:
        self.refusals = tuple(dict.fromkeys(refusals))
        super().__init__("\n".join(self.refusals))
