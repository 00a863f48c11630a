"""Progress of a training on standard error: a bar, or one line per epoch if there is no terminal."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """Shows epochs, loss and the remaining time; a context manager.

    Parameters
    ----------
    name : name of the network
    epochs : number of epochs
    shown : whether anything is shown
    """

    def __init__(self, name: str, epochs: int, *, shown: bool = True) -> None:
        self._console = Console(stderr=True, quiet=not shown)
        self._epochs = epochs
        self._bar = Progress(
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[facts]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=epochs, facts="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, entry: Mapping[str, float]) -> None:
        """Show an epoch: its number, from 1, as `epoch`, and its figures."""
        facts = "  ".join(f"{name} {value:.4f}" for name, value in entry.items() if name != "epoch")
        self._bar.update(self._task, completed=entry["epoch"], facts=facts)
        if not self._console.is_terminal:
            self._console.print(f"epoch {entry['epoch']}/{self._epochs}  {facts}", highlight=False)
