"""The figures of an epoch: what signs of weights and of activations do, and how far their gradients can be trusted.

They come from the network's weights and from a copy of the network, which sees a few training images after an epoch: so
a training is the same with and without them.

**Mismatch.** The forward pass takes signs, the backward pass the slope of another function, so the gradient of a layer
is not that of the loss. Its mismatch is ``1 - cos(g, h)`` over the weights of the layer: ``g`` is its gradient, and
``h`` the gradient of the network in which every sign of activations is the function whose slope the estimator is
(a hard tanh for BinaryNet), which the same backward pass differentiates exactly. 0 is no mismatch, 1 none in common,
2 the opposite direction. BinaryDuo (Kim, Kim et al. 2020, arXiv:2002.06517) measures the mismatch by the gradient of a
smoothed loss, from differences along each coordinate; that takes two passes for each of them, this takes one in all.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from quant.methods import BinaryLayer, shared_of
from quant.monitoring._observer import Observer, fixed_random, named_layers
from quant.tasks import Task

__all__ = ["Monitor", "log_entries"]

#: Training images that the copy classifies, those of them whose gradients are compared, and images at a time.
_CLASSIFIED, _COMPARED, _AT_A_TIME = 1000, 128, 250

#: Decimals of a mismatch.
_DECIMALS = 6

#: Returns images, (n, channels, height, width) float32 in 0 to 1, and labels of the given rows of the training images.
Rows = Callable[[Tensor], tuple[Tensor, Tensor]]


class Monitor:
    """Gathers the figures of each epoch.

    Parameters
    ----------
    network : in training
    task : what it learns
    rows : reads training images
    count : number of training images
    batch_size : images of a step, so that the copy takes no more memory than a step
    """

    def __init__(self, network: nn.Module, task: Task, rows: Rows, count: int, batch_size: int) -> None:
        self._network = network
        self._task = task
        self._layers = named_layers(network)
        self._rows = rows
        # At even distances, because images may be sorted by their classes.
        self._chosen = torch.linspace(0, count - 1, min(count, _CLASSIFIED)).round().long()
        self._batch_size = batch_size
        self._before: dict[str, Tensor] = {}

    def start(self) -> None:
        """Note the signs of all weights; called before the first step of an epoch, with its clock."""
        self._before = _signs(self._layers)

    def figures(self) -> dict[str, Any]:
        """Return the figures of an epoch, after its last step.

        Returns
        -------
        figures :
            ``training_accuracy`` (or the task's figure) of up to 1,000 training images, without augmentation, as the
            validation's;
            ``clock``, the method's numbers;
            by layer: ``flips``, share of the weights that have another sign than before the epoch, ``positive``,
            share of the weights that are +1, ``weights_saturated``, share of the weights at a clipping bound or
            without a gradient, and ``mismatch``;
            by sign of activations: ``activations_saturated``, share outside the estimator's window, and ``dead``,
            share of channels whose sign is the same at each pixel of all of these images.
            What a network does not have is left out, as is what a stage with real numbers does not use.
        """
        clock = shared_of(self._network).clock
        after = _signs(self._layers)
        entries: dict[str, Any] = {
            "clock": {name: value.item() for name, value in clock.values.items()},
            "flips": {name: _share(after[name] != before) for name, before in self._before.items()},
            "positive": {name: _share(signs) for name, signs in after.items()},
            "weights_saturated": {name: _saturated(layer) for name, layer in self._layers.items()},
            **self._observed(),
        }
        return {name: entry for name, entry in entries.items() if entry != {}}

    def _observed(self) -> dict[str, Any]:
        """Return the figures of a copy; it classifies first, since its normalizations change in a training's mode."""
        observer = Observer(self._network)
        accuracy = self._classify(observer)
        mismatch = self._mismatch(observer)
        trained_as_signs = observer.stopped and not any(
            layer.shared.method.is_real(layer) for layer in self._layers.values()
        )
        seen = observer.seen if trained_as_signs else {}
        dead = {name: plus != minus for name, (plus, minus) in seen.items() if name in observer.learned}
        return {
            f"training_{self._task.figure.key}": accuracy,
            "activations_saturated": {name: stopped / total for name, (stopped, total) in observer.stopped.items()},
            "mismatch": mismatch,
            "dead": {name: _share(channels) for name, channels in dead.items()},
        }

    def _mismatch(self, observer: Observer) -> dict[str, float]:
        count = max(2, min(_COMPARED, self._batch_size))
        images, labels = self._read(self._chosen[:: -(-len(self._chosen) // count)])
        taken = self._gradients(observer.network.train(), images, labels)
        if not observer.stopped:  # no sign passes a gradient
            return {}
        observer.smooth = True
        smooth = self._gradients(observer.network, images, labels)
        names = [name for name in taken if name in smooth]
        return {name: round(1 - _cosine(taken[name], smooth[name]), _DECIMALS) for name in names}

    def _read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return training images and labels where the network is; on a GPU the images may be elsewhere."""
        device = next(self._network.parameters()).device
        images, labels = self._rows(rows)
        return images.to(device), labels.to(device)

    @torch.no_grad()
    def _classify(self, observer: Observer) -> float:
        metric = self._task.metric()
        observer.network.eval()
        for rows in self._chosen.split(min(_AT_A_TIME, self._batch_size)):
            images, labels = self._read(rows)
            metric.update(observer.network(images).cpu(), labels.cpu())
        return float(metric.compute())

    def _gradients(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the gradients of the weights of binary layers; layers without one are left out."""
        network.zero_grad()
        with fixed_random(images.device):
            self._task.loss(network(images), labels).backward()
        found = {name: layer.weight.grad for name, layer in named_layers(network).items()}
        return {name: gradient for name, gradient in found.items() if gradient is not None and bool(gradient.any())}


def log_entries(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an epoch for a log, those of layers as ``flips/fc0``."""
    entries: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            entries.update({f"{name}/{part}": each for part, each in value.items()})
        elif not isinstance(value, str):
            entries[name] = value
    return entries


@torch.no_grad()
def _signs(layers: Mapping[str, BinaryLayer]) -> dict[str, Tensor]:
    return {name: layer.shared.method.latent(layer) >= 0 for name, layer in layers.items()}


def _share(flags: Tensor) -> float:
    return int(flags.sum()) / flags.numel()


def _saturated(layer: BinaryLayer) -> float:
    """Return the share of weights that are clipped, or whose sign passes no gradient."""
    method = layer.shared.method
    with torch.enable_grad():
        values = method.latent(layer).detach().requires_grad_()
        (slope,) = torch.autograd.grad(method.binary_weight(layer, values).sum(), values)
    sizes = values.detach().abs()
    at_bound = sizes == sizes.max()
    if int(at_bound.sum()) < 2:  # no bound, but the largest weight
        at_bound.fill_(False)
    return _share(at_bound if method.is_real(layer) else at_bound | (slope == 0))


def _cosine(left: Tensor, right: Tensor) -> float:
    a, b = left.double().flatten(), right.double().flatten()
    return float((a @ b / (a.norm() * b.norm())).clamp(-1, 1))
