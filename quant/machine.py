"""The processors, GPUs and machines on which a training runs."""

from dataclasses import dataclass

import torch

from dataflow import InputError
from dataflow.errors import require_known

__all__ = ["Machine"]


@dataclass(frozen=True)
class Machine:
    """On what a training runs.

    Parameters
    ----------
    accelerator : "cpu", "gpu", or "auto" for a GPU if there is one
    devices : how many GPUs or processes of each machine share each batch
    nodes : machines, on each of which the same command is started (by torchrun or Slurm)

    Raises
    ------
    InputError
        An accelerator is unknown or missing, or a number is below 1.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        require_known("Accelerator", self.accelerator, ("auto", "cpu", "gpu"))
        found = torch.cuda.device_count()
        if self.accelerator == "gpu" and not found:
            raise InputError("Accelerator must be cpu or auto where torch finds no GPU, not gpu")
        for name in ("devices", "nodes"):
            if getattr(self, name) < 1:
                raise InputError(f"Number of {name} must be at least 1, not {getattr(self, name)}")
        if self.has_gpu and self.devices > found:
            raise InputError(f"Number of devices must be at most the {found} GPUs, not {self.devices}")

    @property
    def has_gpu(self) -> bool:
        """Whether the training runs on GPUs."""
        return self.accelerator != "cpu" and torch.cuda.is_available()

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.devices * self.nodes
