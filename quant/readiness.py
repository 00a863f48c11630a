"""Whether a network can be trained and lowered, asked before the hours of its training.

Lowering depends on weights in few places, so what prevents the lowering of an untrained network prevents that of the
trained one.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from dataflow import InputError, Network
from quant.export import export
from quant.lowering import NotLowerableError, lower
from quant.methods import BinarySign
from quant.tasks import Task

__all__ = ["require_lowerable", "require_trainable"]


def require_trainable(network: nn.Module, name: str, images: Tensor, targets: Tensor, task: Task) -> None:
    """Check that a network maps images to what its task wants, and that its signs have something to decide.

    Parameters
    ----------
    name : for messages
    images : (n, channels, height, width) float32, 0 to 1, some training images
    targets : theirs

    Raises
    ------
    InputError
        It fails, its result has another shape, or all numbers before a sign have one sign.
    """
    network = copy.deepcopy(network).train()
    with _signs_watched(network) as seen, torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            scores = network(images)
        except InputError:
            raise
        except Exception as error:
            shape = ", ".join(map(str, images.shape[1:]))
            raise InputError(
                f"Network {name!r} must take frames (n, {shape}), not end in {type(error).__name__}: {error}"
            ) from error
    found = tuple(scores.shape[1:]) if isinstance(scores, Tensor) else None
    wanted = tuple(targets.shape[1:])
    if found is None or len(scores) != len(images) or not task.fits(found, wanted):
        raise InputError(
            f"Network {name!r} must return {task.shape_rule(wanted)}, not {found or type(scores).__name__}"
        )
    for sign, value in seen.items():
        if value is not None:
            raise InputError(
                f"Signs {sign!r} of network {name!r} must differ over training images, not all be {value:+g}: scale "
                "pixels to -1 to +1 (quant.models.ImageScale), leave a ReLU out, or keep the layer (keep)"
            )


@contextmanager
def _signs_watched(network: nn.Module) -> Iterator[dict[str, float | None]]:
    """Record by the name of a sign its value, or None if there are several."""
    seen: dict[str, float | None] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, BinarySign):

            def watch(sign: nn.Module, inputs: tuple[Any, ...], outputs: Tensor, name: str = name) -> None:
                least, most = (float(each) for each in outputs.aminmax())
                seen[name] = least if least == most else None

            hooks.append(module.register_forward_hook(watch))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def require_lowerable(network: nn.Module, name: str, frame_shape: tuple[int, int, int]) -> Network:
    """Lower a network as it is, and return its description.

    Raises
    ------
    InputError
        It cannot be exported or lowered; the message has all that prevents it.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            export(network, frame_shape, path)
        except Exception as error:  # torch's exporter and Brevitas' raise many kinds
            raise InputError(
                f"Network {name!r} must be exportable to QONNX, not end in {type(error).__name__}: {error}"
            ) from error
        try:
            return lower(path, name=Path(name.rpartition(":")[0] or name).stem)
        except NotLowerableError as error:
            rule = f"Network {name!r} must have hardware before it is trained (--no-lower-check trains it anyway)"
            raise NotLowerableError((rule, *error.refusals)) from error
