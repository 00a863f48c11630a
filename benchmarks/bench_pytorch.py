"""The packed reference compared with PyTorch's inference of the same model, on the same cores at the same time.

Both are measured as they are, and once more in a process that is limited to vectors of 256 bits, as on a processor
without AVX-512.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import llvmlite.binding
import numpy as np
import torch

from benchmarks.networks import CNV_CONVOLUTIONS, CNV_DENSE
from benchmarks.rows import Measurement, run_python
from dataflow import Network
from hwsim import predict
from quant.export import export
from quant.lowering import lower
from quant.methods import deployed
from quant.models import build, convolutional
from quant.recipes import load

__all__ = ["rows"]

SHAPE = (3, 32, 32)
BATCHES = (64, 128)
IMAGES, FRAMES, ROUNDS = 128, 2048, 3


def rows() -> list[Measurement]:
    """Return images per second of both and the ratio, as they are and limited to AVX2."""
    with TemporaryDirectory() as folder:
        limited = run_python(["-m", "benchmarks.bench_pytorch"], environment=_only_avx2() | {"NUMBA_CACHE_DIR": folder})
    return [*_measured("", {"CNV": 20, "ResNet-20": 10}), *(Measurement(**row) for row in json.loads(limited.output))]


def _only_avx2() -> dict[str, str]:
    """Return the variables with which numba, PyTorch and its libraries use no instructions later than AVX2."""
    later = ("+avx512", "+avx10", "+avxvnni", "+amx", "+gfni")
    flags = llvmlite.binding.get_host_cpu_features().flatten().split(",")
    return {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": ",".join(f"-{flag[1:]}" if flag.startswith(later) else flag for flag in flags),
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }


def _measured(case: str, goals: dict[str, int]) -> list[Measurement]:
    """Return the figures of both networks.

    Parameters
    ----------
    case : what to add to a network's name
    goals : how many times as fast the packed reference should be
    """
    models = {"CNV": _cnv(), "ResNet-20": build(load("resnet20-w1a1"), SHAPE, 10)}
    return [
        row for name, model in models.items() for row in _compared(f"{name}{case}", _with_norms(model), goals[name])
    ]


def _compared(name: str, model: torch.nn.Module, goal: int) -> list[Measurement]:
    """Return the figures of one network, each the best of several alternating rounds.

    Other work on the machine slows both down, but not equally. The processor time of all threads shows how much of the
    cores each of them uses.
    """
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
        for _ in BATCHES:
            fast.append(_seconds(lambda: predict(network, codes)) / FRAMES)
    (batch, layout), _ = min(slow.items(), key=lambda pair: min(seconds[0] for seconds in pair[1]))
    pytorch, packed = np.min([seconds for way in slow.values() for seconds in way], axis=0), np.min(fast, axis=0)
    how = f"batches of {batch}, {str(layout).removeprefix('torch.')}, {torch.get_num_threads()} threads"
    return [
        Measurement(f"{name}, PyTorch's inference of the Brevitas model, best with {how}", 1 / pytorch[0], "frames/s"),
        Measurement(f"{name}, packed predictions of {FRAMES:,} frames", 1 / packed[0], "frames/s"),
        Measurement(f"{name}, packed over PyTorch", pytorch[0] / packed[0], "times", f">= {goal} times"),
        Measurement(f"{name}, processor time of a frame, PyTorch", 1e6 * pytorch[1], "us"),
        Measurement(f"{name}, processor time of a frame, packed", 1e6 * packed[1], "us"),
        Measurement(f"{name}, packed over PyTorch, processor time", pytorch[1] / packed[1], "times"),
        Measurement(f"{name}, predictions that differ of {IMAGES}", differ, "frames", "0 frames"),
    ]


def _cnv() -> torch.nn.Sequential:
    layers: list[int | str] = []
    for neurons, pooled in CNV_CONVOLUTIONS:
        layers += [neurons, "P"] if pooled else [neurons]
    torch.manual_seed(0)
    return convolutional(SHAPE, tuple(layers), CNV_DENSE[:-1], CNV_DENSE[-1])


def _with_norms(model: torch.nn.Sequential) -> torch.nn.Module:
    """Return an untrained model of Brevitas' layers whose batch norms are random, so that its thresholds differ."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return deployed(model)


def _lowered(model: torch.nn.Module) -> Network:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(model, SHAPE, path)
        return lower(path, input_kind="quant")


def _inference(
    model: torch.nn.Module, images: torch.Tensor, batch: int, layout: torch.memory_format
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


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in _measured(", AVX2 only", {"CNV": 15, "ResNet-20": 10})]))
