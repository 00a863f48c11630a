"""Tasks: what a network learns from images, its loss and the figure by which it is judged."""

from quant.tasks._load import task_of
from quant.tasks._task import Metric, Task

__all__ = ["Metric", "Task", "task_of"]
