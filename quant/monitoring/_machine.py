"""On what a training ran."""

import os
import platform
from pathlib import Path

import torch

__all__ = ["machine_facts"]


def machine_facts(device: torch.device, threads: int) -> dict[str, str | int]:
    """Return plain values that name a machine.

    Parameters
    ----------
    device : of the network
    threads : of the training
    """
    facts: dict[str, str | int] = {
        "device": str(device) if device.type != "cuda" else torch.cuda.get_device_name(device),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    return facts


def _processor() -> str:
    """Return the processor's name; Python itself has none on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
