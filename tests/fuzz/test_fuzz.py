"""Damaged files of every input format: one sentence, no traceback, in bounded time and memory, with nothing left.

``XNORFLOW_FUZZ=3000 pytest -m slow tests/fuzz`` tries 3,000 files; `XNORFLOW_FUZZ_SEED` is the first seed.
"""

import os
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest

from dataflow import fold, save_network
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from tests.fuzz.mutations import MUTATIONS, damaged_bytes
from tests.fuzz.runs import context, outcome_of
from tests.quant.lowering import case_models

RUNS, SEED = int(os.environ.get("XNORFLOW_FUZZ", "120")), int(os.environ.get("XNORFLOW_FUZZ_SEED", "0"))

RECIPE = """dataset = "mnist-sample"
hidden = [8]
epochs = 1
batch_size = 100
method = "bnn"
learning_rate = 0.01
seed = 1
shift = 1
flip = false
threads = 1
validation = 0.1
rates = { "fc*" = 0.1 }
"""
FOLDING = """[nodes.fc0]
pe = 2
simd = 3
[nodes.fc1]
pe = 4
[fifos]
"fc0 -> fc1" = 4
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    save_network(fold(dense_network((12, 6, 4), outputs="both"), {"fc0": {"pe": 2, "simd": 4}}), folder / "dense.xnf")
    save_network(conv_network((6, 5, 3), (4, 5), padding=(1, 1, 1, 1), pool=(2, 2)), folder / "conv.xnf")
    builders = {
        "average": case_models.average_meets_bits,
        "shuffle": case_models.shuffle,
        "bits": case_models.few_bits,
        "add": case_models.quantized_add,
    }
    for name, build in builders.items():
        onnx.save(build(case_models.image()), folder / f"{name}.onnx")
    onnx.save(case_models.thermometer(case_models.vector()), folder / "thermometer.onnx")
    np.save(folder / "frames.npy", np.random.default_rng(0).integers(0, 256, (2, 12)).astype(np.uint8))
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "folding.toml").write_text(FOLDING)
    save_network(dense_network((12, 6, 4)), folder / "plain.xnf")
    return folder


def command_of(original: Path, damaged: str, random: Random) -> list[str]:
    plain = str(original.parent / "plain.xnf")
    if original.suffix == ".onnx":
        return random.choice((["lower", damaged, "-o", "out.xnf"], ["lower", damaged, "--check"]))
    if original.suffix == ".npy":
        return ["simulate", plain, "--input", damaged]
    if original.name == "folding.toml":
        return ["fold", plain, "-o", "out.xnf", "--config", damaged]
    if original.name == "recipe.toml":
        return ["train", damaged, "--out", f"{damaged}/run"]  # no folder: all is read and checked, nothing trained
    return random.choice(
        (
            ["show", damaged],
            ["fold", damaged, "-o", "out.xnf", "--interval", "20"],
            ["simulate", damaged, "--frames", "2"],
            ["verilog", damaged, "-o", "rtl"],
            ["report", damaged, "-o", "page.html"],
        )
    )


@pytest.mark.slow
def test_damaged_files_end_in_one_sentence(originals: Path, tmp_path: Path) -> None:
    made, findings = context(), []
    names = sorted(path for path in originals.iterdir() if path.name != "plain.xnf")
    for seed in range(SEED, SEED + RUNS):
        random = Random(seed)
        original = random.choice(names)
        mutate = damaged_bytes if random.random() < 0.2 else MUTATIONS[original.suffix]
        folder = tmp_path / f"run{seed}"
        folder.mkdir()
        damaged = folder / f"damaged{original.suffix}"
        damaged.write_bytes(mutate(original.read_bytes(), random))
        args = command_of(original, damaged.name, random)
        outcome = outcome_of(made, args, folder)
        finding = outcome.finding(sentences=100 if args[0] == "lower" else 1)  # `lower` names all that it refuses
        if finding is None:
            for path in folder.iterdir():
                if path.is_file():
                    path.unlink()
        else:
            findings.append(f"seed {seed}, {original.name}: {' '.join(args)}: {finding}\n{outcome.errors[-600:]}")
    assert not findings, f"{len(findings)} findings\n" + "\n".join(findings[:20])
