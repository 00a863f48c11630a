"""Networks as their authors publish them, exported, quantized and lowered to what their files say."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from dataflow import fold, fold_to_interval
from hwsim import predict, random_stalls
from quant.datasets import Dataset
from quant.lowering import NotLowerableError, lower
from quant.lowering.reading.model_file import load_model
from quant.oracle import scores_of_qonnx
from quant.quantizing import Quantized, quantize
from sim_tests.verification import verify_rtl

pytestmark = pytest.mark.train

torch = pytest.importorskip("torch")

from benchmarks.published import BiReal, MeliusNet, ReActNet  # noqa: E402
from benchmarks.published.training import accuracy, export, train  # noqa: E402

rng = np.random.default_rng(8)

SMALL = {
    "bireal": lambda: BiReal(4, (1, 1)),
    "reactnet": lambda: ReActNet(4, (1, 2, 4)),
    "meliusnet": lambda: MeliusNet(4, (1, 1)),
}


def untrained(name: str) -> "torch.nn.Module":
    """Return a small network whose shifts and normalizations are drawn, with statistics of noise."""
    torch.manual_seed(0)
    network = SMALL[name]()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
        elif type(module).__name__ == "LearnableBias":
            torch.nn.init.normal_(module.bias, std=0.3)
    network.train()(torch.rand(50, 3, 16, 16))
    return network.eval().requires_grad_(False)


def frames(count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)


def quantized(name: str, path: Path, *, dynamo: bool) -> tuple[Path, Quantized]:
    export(untrained(name), (3, 16, 16), path / "float.onnx", dynamo=dynamo)
    with pytest.raises(NotLowerableError):
        lower(path / "float.onnx")
    found = quantize(load_model(path / "float.onnx"), frames(32))
    onnx.save(found.model, path / "q.onnx")
    return path / "q.onnx", found


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", SMALL)
def test_the_network_is_lowered_to_what_its_file_says(name: str, dynamo: bool, tmp_path: Path) -> None:
    path, found = quantized(name, tmp_path, dynamo=dynamo)
    network = lower(path)
    test = frames(20)
    scores = predict(network, test).scores
    assert scores is not None
    np.testing.assert_allclose(scores, scores_of_qonnx(path, test), rtol=0, atol=1e-9)
    drift = np.abs(scores - scores_of_qonnx(tmp_path / "float.onnx", test)).mean() / np.abs(scores).mean()
    assert 0 < drift < 1
    signs = [each for each in found.inserted if "sign" in each.reason]
    assert len(signs) == {"bireal": 2, "reactnet": 6, "meliusnet": 0}[name]  # a sign of 0 in torch; MeliusNet decides
    rounded = [each for each in found.inserted if "but for rounding" in each.reason]
    assert all(each.bits == 2 and each.signal_to_noise > 120 for each in rounded)


def test_a_training_of_a_second_ends_in_evaluation_mode() -> None:
    data = Dataset(frames(300), rng.integers(0, 10, 300), "noise")
    lines: list[str] = []
    network = train(SMALL["bireal"](), data, minutes=1 / 60, images=200, say=lines.append)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert lines[-1].startswith(f"epoch {len(lines)}, 10")
    assert 0 <= accuracy(network, data) <= 1


@pytest.mark.sim
@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["meliusnet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bireal", "reactnet"))]
)
def test_its_hardware_does_what_its_file_says(name: str, tmp_path: Path) -> None:
    path, _ = quantized(name, tmp_path, dynamo=False)
    network = lower(path)
    network = fold(network, fold_to_interval(network, 20_000))
    verification = verify_rtl(network, frames(1), stalls=random_stalls(network, 1), simulator="amaranth")
    assert verification.passed, str(verification)
