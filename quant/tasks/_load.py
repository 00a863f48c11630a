"""The task of a name."""

from importlib import import_module

from quant.figures import FIGURES
from quant.tasks._task import Task

__all__ = ["task_of"]

#: Module and class of each task; modules are imported when they are wanted.
_CLASSES = {
    "classify": "quant.tasks.classify:Classify",
    "segment": "quant.tasks.segment:Segment",
    "keypoints": "quant.tasks.keypoints:Keypoints",
    "restore": "quant.tasks.restore:Restore",
}


def task_of(name: str, outputs: int, image: tuple[int, int]) -> Task:
    """Return a task; the parameters are those of `Task`."""
    module, _, kind = _CLASSES[name].partition(":")
    task: Task = getattr(import_module(module), kind)(FIGURES[name], outputs, image)
    return task
