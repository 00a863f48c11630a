"""Networks of one's own: trained, lowered and proved; checked before the training; teachers and averages."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hwsim
import quant
from dataflow import InputError
from quant import datasets, readiness, recipes, teachers
from quant._fitting import TrainingRun
from quant.checkpoints import load_checkpoint
from quant.codes import with_codes
from quant.evaluation import predictions, scores_of_network
from quant.lowering import lower
from quant.methods import binary_layers
from quant.oracle import scores_of_qonnx
from quant.recipes import DenseRecipe, OwnRecipe
from quant.training import Machine, TrainingResult, train
from tests.quant.interruption import interrupted
from tests.quant.my_networks import build

pytestmark = pytest.mark.train

FILE = Path(__file__).parent / "my_networks.py"
OWN = OwnRecipe(
    name="own",
    dataset="mnist-sample",
    network=f"{FILE}:build",
    arguments={"width": 6},
    keep=("stem*", "fc"),
    epochs=2,
    batch_size=100,
    method="bireal",
    validation=0.1,
)


def data(trained: int = 600) -> tuple[datasets.Dataset, datasets.Dataset]:
    parts = [datasets.load("mnist-sample", split) for split in ("train", "test")]
    return parts[0].head(trained), parts[1].head(100)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(OWN, data=data(), out=tmp_path_factory.mktemp("own"), progress=False)


def test_a_network_of_ones_own_is_trained_lowered_and_equal(trained: TrainingResult) -> None:
    images = data()[1].images
    recipe, network = load_checkpoint(trained.checkpoint)
    assert recipe == OWN
    assert [layer.weight.shape[0] for layer in binary_layers(network)] == [6, 6]
    expected = predictions(scores_of_qonnx(trained.model, images))
    np.testing.assert_array_equal(predictions(scores_of_network(network, images)), expected)
    np.testing.assert_array_equal(hwsim.predict(lower(trained.model), images).predictions, expected)
    assert trained.metrics["history"][-1].keys() >= {"loss", "validation_accuracy"}


def test_what_was_made_binary_is_in_the_metrics(trained: TrainingResult) -> None:
    layers = json.loads(trained.metrics_file.read_text())["layers"]
    relu = "kept, as a hard tanh: signs after a ReLU are all +1"
    assert layers == [
        "stem.0 (Conv2d): kept, named to be kept, with weights of 8 bits",
        "blocks.0.conv (Conv2d): binary",
        f"blocks.0.relu (ReLU): {relu}",
        "blocks.1.conv (Conv2d): binary",
        f"blocks.1.relu (ReLU): {relu}",
        "fc (Linear): kept, named to be kept, with weights of 8 bits",
        *(f"codes{index} (QuantIdentity): kept, new, codes of 8 bits" for index in range(5)),
    ]


@pytest.mark.slow
def test_from_python_the_network_itself_is_trained(trained: TrainingResult, tmp_path: Path) -> None:
    recipe = replace(OWN, network="", arguments={})
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = build((1, 28, 28), 10, 6)
        untrained = build((1, 28, 28), 10, 6)
    result = quant.train(network, data(), recipe, out=tmp_path, progress=False)
    assert result.model.read_bytes() == trained.model.read_bytes()
    images = data()[1].images
    stored, loaded = load_checkpoint(result.checkpoint, untrained)
    assert stored == recipe
    np.testing.assert_array_equal(
        predictions(scores_of_network(loaded, images)), predictions(scores_of_qonnx(result.model, images))
    )
    assert torch.equal(
        network.get_submodule("blocks.0.conv.layer").weight, loaded.get_submodule("blocks.0.conv.layer").weight
    )
    with pytest.raises(InputError, match=r"^Recipe 'own' must say which network is trained, unless that is given$"):
        load_checkpoint(result.checkpoint)
    with pytest.raises(InputError, match=r"^Network must be the one of checkpoint '.*', not another one: "):
        load_checkpoint(result.checkpoint, build((1, 28, 28), 10, 7))


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (
            "without_scale",
            r"Signs '1.sign' of network '.*' must differ over training images, not all be \+1: scale pixels to -1 "
            r"to \+1 \(quant.models.ImageScale\), leave a ReLU out, or keep the layer \(keep\)",
        ),
        ("flat", r"Network '.*' must take frames \(n, 1, 28, 28\), not end in RuntimeError: .*"),
        ("pair", r"Network '.*' must return 10 scores for each frame, not \(2,\)"),
        ("number", r"Network '.*' must return a torch.nn.Module, not int"),
        ("none", r"File of network '.*' must define 'none', which it does not"),
        ("pair", r"Argument of network '.*' must be one of .*, not 'width'.*"),
        (
            "real",
            r"Network '.*' must have hardware before it is trained \(--no-lower-check trains it anyway\)\n.*Softmax.*",
        ),
    ],
)
def test_networks_are_checked_before_their_training(
    function: str, rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingRun, "training_step", None)
    arguments = {"width": 3} if rule.startswith("Argument") else {}
    changes = {"network": f"{FILE}:{function}", "keep": (), "arguments": arguments}
    recipe = recipes.from_dict(OWN.to_dict() | changes)
    with pytest.raises(InputError, match=rf"^{rule}$"):
        train(recipe, data=data(), out=tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").glob("*"))


def test_the_check_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "lower", None)
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())
    recipe = recipes.from_dict(OWN.to_dict() | {"network": f"{FILE}:real", "keep": [], "arguments": {}, "epochs": 1})
    assert train(recipe, data=data(200), out=tmp_path, lower_check=False, progress=False).accuracy >= 0


def test_an_averaged_network_is_the_result(tmp_path: Path) -> None:
    """With a factor near 0 the average is the network itself; with one near 1 it is the untrained one."""
    common = {"name": "d", "dataset": "mnist-sample", "hidden": (12,), "epochs": 2, "batch_size": 100}
    plain = train(DenseRecipe(**common), data=data(), out=tmp_path / "plain", progress=False)
    same = train(DenseRecipe(**common, average=1e-9), data=data(), out=tmp_path / "same", progress=False)
    assert same.model.read_bytes() == plain.model.read_bytes()
    slow = DenseRecipe(**common, average=0.9)
    whole = train(slow, data=data(), out=tmp_path / "slow", progress=False)
    assert whole.model.read_bytes() != plain.model.read_bytes()
    _, network = load_checkpoint(whole.checkpoint)
    images, labels = data()[1].images, data()[1].labels
    assert (predictions(scores_of_network(network, images)) == labels).mean() == whole.accuracy
    np.testing.assert_array_equal(
        predictions(scores_of_qonnx(whole.model, images)), predictions(scores_of_network(network, images))
    )


@pytest.mark.slow
def test_an_averaged_training_is_resumed_to_the_same_result(tmp_path: Path) -> None:
    recipe = DenseRecipe(
        name="d", dataset="mnist-sample", hidden=(12,), epochs=3, batch_size=100, average=0.9, mixup=0.2, augment="rand"
    )
    whole = train(recipe, data=data(), out=tmp_path / "whole", progress=False)
    with interrupted(1, 3):
        train(recipe, data=data(), out=tmp_path / "again", progress=False)
    again = train(recipe, data=data(), out=tmp_path / "again", resume=True, progress=False)
    assert again.model.read_bytes() == whole.model.read_bytes()
    assert again.metrics["history"] == whole.metrics["history"]


def test_a_teachers_scores_are_learned(trained: TrainingResult, tmp_path: Path) -> None:
    """With the whole weight on the teacher, the network agrees with it more than with the labels of noise."""
    few, test = data()
    noise = datasets.Dataset(few.images, np.random.default_rng(0).integers(0, 10, len(few)), "noise")
    recipe = DenseRecipe(
        name="d",
        dataset="mnist-sample",
        hidden=(48,),
        epochs=4,
        batch_size=50,
        teacher=str(trained.checkpoint.parent),
        distillation=1.0,
        temperature=2.0,
    )
    result = train(recipe, data=(noise, test), out=tmp_path, progress=False)
    _, network = load_checkpoint(result.checkpoint)
    teacher = teachers.load(str(trained.checkpoint), (1, 28, 28), 10)
    ours, theirs = (predictions(scores_of_network(each, few.images)) for each in (network, teacher))
    assert (ours == theirs).mean() > 0.3
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not any(
        name.startswith("_teacher") for name in torch.load(result.checkpoint, weights_only=True)["state_dict"]
    )


def test_the_distillation_loss_is_the_divergence_of_softened_scores() -> None:
    rng = np.random.default_rng(0)
    scores, taught = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))

    def soft(values: np.ndarray) -> np.ndarray:
        powers = np.exp(values / 3.0)
        return powers / powers.sum(1, keepdims=True)

    p, q = soft(taught), soft(scores)
    expected = 9.0 * (p * np.log(p / q)).sum(1).mean()
    found = teachers.distillation_loss(torch.from_numpy(scores), torch.from_numpy(taught), 3.0)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_bad_teachers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^Checkpoint '{re.escape(str(tmp_path / 'checkpoint.ckpt'))}' must exist$"):
        teachers.load(str(tmp_path), (1, 28, 28), 10)
    with pytest.raises(InputError, match=r"^Teacher '.*:number' must return a torch.nn.Module, not int$"):
        teachers.load(f"{FILE}:number", (1, 28, 28), 10)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"accelerator": "tpu"}, r"Accelerator must be one of auto, cpu, gpu, not 'tpu' \(did you mean 'gpu'\?\)"),
        ({"accelerator": "cpu", "devices": 0}, r"Number of devices must be at least 1, not 0"),
        ({"nodes": 0}, r"Number of nodes must be at least 1, not 0"),
    ],
)
def test_machines_that_are_none_are_refused(options: dict[str, str | int], rule: str) -> None:
    with pytest.raises(InputError, match=rf"^{rule}$"):
        Machine(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_absent_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Accelerator must be cpu or auto where torch finds no GPU, not gpu$"):
        Machine("gpu")


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path) -> None:
    program = (
        "import sys; from quant.recipes import DenseRecipe; from quant.training import Machine, train\n"
        "common = {'name': 'd', 'dataset': 'mnist-sample', 'epochs': 2, 'batch_size': 100, 'method': 'biper'}\n"
        "recipe = DenseRecipe(**common, hidden=(12,))\n"
        "result = train(recipe, out=sys.argv[1], machine=Machine('cpu', 2), progress=False)\n"
        "print('metrics' if result.metrics else 'none')\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    found = subprocess.run(
        [sys.executable, "-W", "ignore", script, tmp_path / "run"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert sorted(line for line in found.stdout.split() if line in {"metrics", "none"}) == ["metrics", "none"]
    recipe, network = load_checkpoint(tmp_path / "run" / "checkpoint.ckpt")
    test = datasets.load("mnist-sample", "test")
    accuracy = (predictions(scores_of_network(network, test.images)) == test.labels).mean()
    assert accuracy == json.loads((tmp_path / "run" / "metrics.json").read_text())["accuracy"] > 0.2
    assert recipe.epochs == 2


def test_test_images_must_fit_those_of_the_training(tmp_path: Path) -> None:
    few, test = data()
    recipe = DenseRecipe(name="d", dataset="mnist-sample", hidden=(12,), epochs=1)
    smaller = datasets.Dataset(test.images[:, :20], test.labels, "smaller")
    rule = r"^Test images of 'mnist-sample' must be 28 x 28 x 1 as those of the training, not 20 x 28 x 1$"
    with pytest.raises(InputError, match=rule):
        train(recipe, data=(few, smaller), out=tmp_path, progress=False)
    more = datasets.Dataset(test.images, test.labels + 5, "more")
    rule = r"^Labels of the test images of 'mnist-sample' must be at most 9 as those of the training, not 14$"
    with pytest.raises(InputError, match=rule):
        train(recipe, data=(few, more), out=tmp_path, progress=False)


def test_batches_must_have_images_for_all_processes(tmp_path: Path) -> None:
    recipe = DenseRecipe(name="d", dataset="mnist-sample", hidden=(12,), epochs=1, batch_size=4, validation=0)
    rule = r"^batch_size of recipe 'd' must leave 2 or more of 600 images in each batch of 3 processes, not be 4$"
    with pytest.raises(InputError, match=rule):
        train(recipe, data=data(), out=tmp_path, machine=Machine("cpu", 3), progress=False)


class Adding(nn.Module):
    """Adds the frame to a layer of it, and has modules whose names new quantizers could take."""

    def __init__(self) -> None:
        super().__init__()
        self.codes0, self.codes2 = nn.Conv2d(1, 1, 3, padding=1), nn.Hardtanh()

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.codes2(self.codes0(frame)) + frame


def test_new_quantizers_hide_no_module_and_leave_pixels_to_other_layers() -> None:
    network = Adding()
    changed, names = with_codes(network, bits=8, step=0.125)
    assert names == ["codes1", "codes3"]
    frame = torch.rand(2, 1, 4, 4)
    grid = changed.get_submodule("codes1")
    expected = grid(network.codes2(network.codes0(frame))) + grid(frame)
    torch.testing.assert_close(changed(frame), expected)
