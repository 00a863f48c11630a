"""Progress of a training on standard error: two lines on a terminal, or one line per epoch if there is none."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from quant.figures import FIGURES, Figure

__all__ = ["TrainingProgress"]

#: Seconds between two looks at the loss of the running epoch.
_INTERVAL = 0.25

#: The images whose figures are shown beside an epoch's loss, the more important first.
_PARTS = ("validation", "training")

#: Space between two figures.
_SPACE = "  "


class TrainingProgress:
    """Shows epochs, steps, images per second, the remaining time, loss and accuracies; a context manager.

    Parameters
    ----------
    name : name of the network
    epochs : number of epochs
    figure : by which the network is judged
    shown : whether anything is shown
    """

    def __init__(self, name: str, epochs: int, *, figure: Figure = FIGURES["classify"], shown: bool = True) -> None:
        self._console = Console(stderr=True, quiet=not shown)
        self._is_live = shown and self._console.is_terminal
        self._name, self._epochs, self._figure = name, epochs, figure
        self._epoch = self._steps = self._step = 0
        self._facts: list[str] = []
        self._steps_taken = self._images = 0
        self._begun = self._started = self._stepped = self._looked = time.monotonic()
        self._live = Live(console=self._console, get_renderable=self._lines, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def start_epoch(self, epoch: int, steps: int) -> None:
        """Begin an epoch, from 1, of so many steps."""
        self._epoch, self._steps, self._step, self._images = epoch, steps, 0, 0
        self._started = self._stepped = time.monotonic()
        if not self._steps_taken:
            self._begun = self._started

    def step(self, images: int) -> bool:
        """Count a step with so many images; return whether it is time to look at the loss."""
        self._stepped = time.monotonic()
        self._step += 1
        self._steps_taken += 1
        self._images += images
        if self._stepped - self._looked < _INTERVAL:
            return False
        self._looked = self._stepped
        return True

    def show_loss(self, loss: float) -> None:
        """Show the loss of the last steps."""
        self._facts[:1] = [f"loss {loss:.4f}"]

    def show(self, entry: Mapping[str, Any]) -> None:
        """Show an epoch: its number, from 1, as `epoch`, and its figures."""
        key = self._figure.key
        accuracies = [f"{p} {self._figure.text(entry[f'{p}_{key}'])}" for p in _PARTS if f"{p}_{key}" in entry]
        self._facts = [f"loss {entry['loss']:.4f}", *accuracies]
        if not self._is_live:
            self.note(_SPACE.join([f"epoch {entry['epoch']}/{self._epochs}", *self._facts, *self._times()]))

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @property
    def images_per_second(self) -> float:
        """Images of this epoch so far, by the time that its steps took."""
        seconds = self._stepped - self._started
        return self._images / seconds if seconds else 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the end, if the rest is as fast as all steps since the start, evaluations included."""
        if not self._steps_taken:
            return 0.0
        rest = (self._epochs - self._epoch + 1) * self._steps - self._step
        return (time.monotonic() - self._begun) / self._steps_taken * rest

    def _times(self) -> list[str]:
        if not self._steps_taken:
            return []
        rate = self.images_per_second
        minutes, seconds = divmod(round(self.remaining), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return [f"{rate:,.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s", f"{left} left"]

    def _lines(self) -> RenderableType:
        """Return a bar with epoch and step, and below it as many figures as fit."""
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(no_wrap=True, overflow="ellipsis", max_width=max(8, self._console.width // 4))
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True, justify="right")
        done = max(0, self._epoch - 1) * self._steps + self._step
        place = f"epoch {self._epoch}/{self._epochs}, step {self._step}/{self._steps}" if self._steps else ""
        bar.add_row(
            Text(self._name), ProgressBar(total=max(1, self._epochs * self._steps), completed=done), Text(place)
        )
        line = ""
        for fact in (*self._times(), *self._facts):
            longer = f"{line}{_SPACE if line else ''}{fact}"
            if len(longer) > self._console.width:
                break
            line = longer
        return Group(bar, Text(line, no_wrap=True))
