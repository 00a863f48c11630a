"""The packed reference compared with PyTorch's inference of the same model, on the same cores at the same time."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.networks import CNV_CONVOLUTIONS, CNV_DENSE
from benchmarks.rows import Measurement
from dataflow import Network
from hwsim import predict
from quant.export import export
from quant.lowering import lower
from quant.models import convolutional

__all__ = ["rows"]

SHAPE = (3, 32, 32)
BATCHES = (64, 128, 256)
IMAGES, FRAMES, ROUNDS = 256, 4096, 5


def rows() -> list[Measurement]:
    """Return images per second of both and the ratio, each the best of several alternating rounds.

    Other work on the machine slows both down, but not equally. The processor time of all threads shows how much of the
    cores each of them uses.
    """
    model = _model()
    network = _lowered(model)
    codes = np.random.default_rng(0).integers(-128, 128, (FRAMES, *SHAPE[1:], SHAPE[0]), dtype=np.int8)
    # The model maps pixels from 0 to 1 to numbers from -1 to +1, and a code is such a number in units of 1/128.
    images = (torch.from_numpy(codes[:IMAGES]).permute(0, 3, 1, 2).contiguous() + 128.0) / 256
    ways = {
        (batch, layout): _inference(model, images, batch, layout)
        for batch in BATCHES
        for layout in (torch.contiguous_format, torch.channels_last)
    }
    scores = _inference(model, images, BATCHES[0], torch.contiguous_format)()
    differ = int((scores.argmax(axis=1) != predict(network, codes[:IMAGES]).predictions).sum())
    slow: dict[tuple[int, torch.memory_format], list[np.ndarray]] = {way: [] for way in ways}
    fast: list[np.ndarray] = []
    for _ in range(ROUNDS):
        for way, work in ways.items():
            slow[way].append(_seconds(work) / IMAGES)
        fast.append(_seconds(lambda: predict(network, codes)) / FRAMES)
    (batch, layout), _ = min(slow.items(), key=lambda pair: min(seconds[0] for seconds in pair[1]))
    pytorch, packed = np.min([seconds for way in slow.values() for seconds in way], axis=0), np.min(fast, axis=0)
    how = f"batches of {batch}, {str(layout).removeprefix('torch.')}, {torch.get_num_threads()} threads"
    return [
        Measurement(f"CNV, PyTorch's inference of the Brevitas model, best with {how}", 1 / pytorch[0], "frames/s"),
        Measurement(f"CNV, packed predictions of {FRAMES:,} frames", 1 / packed[0], "frames/s"),
        Measurement("CNV, packed over PyTorch", pytorch[0] / packed[0], "times", ">= 20 times"),
        Measurement("CNV, processor time of a frame, PyTorch", 1e6 * pytorch[1], "us"),
        Measurement("CNV, processor time of a frame, packed", 1e6 * packed[1], "us"),
        Measurement("CNV, packed over PyTorch, processor time", pytorch[1] / packed[1], "times"),
        Measurement(f"CNV, predictions that differ of {IMAGES}", differ, "frames", "0 frames"),
    ]


def _model() -> torch.nn.Sequential:
    """Return an untrained CNV whose batch norms are random, so that its thresholds differ."""
    layers: list[int | str] = []
    for neurons, pooled in CNV_CONVOLUTIONS:
        layers += [neurons, "P"] if pooled else [neurons]
    torch.manual_seed(0)
    model = convolutional(SHAPE, tuple(layers), CNV_DENSE[:-1], CNV_DENSE[-1])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return model.eval()


def _lowered(model: torch.nn.Sequential) -> Network:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cnv.onnx"
        export(model, SHAPE, path)
        return lower(path, input_kind="quant")


def _inference(
    model: torch.nn.Sequential, images: torch.Tensor, batch: int, layout: torch.memory_format
) -> Callable[[], np.ndarray]:
    """Return a function that runs all images through the model in batches and returns the scores."""
    parts = [part.contiguous(memory_format=layout) for part in images.split(batch)]

    def work() -> np.ndarray:
        model.to(memory_format=layout)
        with torch.inference_mode():
            scores: np.ndarray = torch.cat([model(part) for part in parts]).numpy()
        return scores

    work()
    return work


def _seconds(work: Callable[[], object]) -> np.ndarray:
    """Return the elapsed seconds of the second of two calls, and its processor time.

    The first call is slower: its memory was returned to the system, and the caches hold the data of other work.
    """
    work()
    start = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - start[0], time.process_time() - start[1]])
