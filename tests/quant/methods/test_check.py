"""The check of any method: ours and a user's pass, and each fault is found."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dataflow import InputError
from quant.methods import METHODS, load
from quant.methods.check import Finding, Lowered, MethodCheck, finding
from sim_tests.cases import dense_network
from xnorflow import method_check
from xnorflow.method_check import checked

pytestmark = pytest.mark.train

HERE = Path(__file__).parent
OWN = f"{HERE / 'my_methods.py'}:Triangle"
NAMES = [*METHODS, OWN]


def broken(name: str) -> str:
    return f"{HERE / 'broken_methods.py'}:{name}"


def short(name: str) -> str:
    return name.rpartition(":")[2]


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_methods_train_and_leave_constants(name: str) -> None:
    check = MethodCheck(name)
    assert check.channels() == "each output depends on one number of its own channel"
    assert check.gradients("dense") == f"finite in {2 * len(load(name).stages())} steps"
    assert check.inference("dense") == "966 weights are -1 or +1, and scores are the same"
    assert check.inference("convolutional").endswith("weights are -1 or +1, and scores are the same")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=short)
def test_residual_networks_train_and_leave_constants(name: str) -> None:
    check = MethodCheck(name)
    assert check.gradients("residual").startswith("finite")
    assert check.inference("residual").endswith("scores are the same")


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize(
    ("name", "kind"),
    [("bnn", "dense"), ("dorefa", "convolutional"), ("react", "residual")],
    ids=short,
)
def test_methods_are_exact_down_to_the_rtl(name: str, kind: str) -> None:
    found = list(checked(MethodCheck(name), kinds=(kind,)))
    assert [each.name.rpartition(": ")[2] for each in found] == [
        *("channels", "gradients", "inference", "lowering", "predictions", "RTL")
    ]
    assert all(each.passed for each in found), "\n".join(map(str, found))


AFTER = "What the method has after a layer must"


@pytest.mark.parametrize(
    ("name", "check", "rule"),
    [
        ("Blurred", "channels", f"{AFTER} depend on one number of its own channel, not on others"),
        ("Positioned", "channels", f"{AFTER} be the same function at each pixel of a channel"),
        ("Halved", "channels", rf"{AFTER} keep the shape \(2, 5, 4, 3\), not return \(2, 5, 2, 1\)"),
        ("Centred", "channels", "Sign must depend on one number of its own channel, not on others"),
        ("Steep", "gradients", r"Gradients of \S+ must be finite at progress 1.00 in stage 'train'"),
        ("Stuck", "gradients", r"Gradients of binary weights must not all be 0 in each stage, as those of .*fc0.* are"),
        (
            "Scaling",
            "inference",
            r"Scores in evaluation must be those of weights of -1 and \+1 and of constants, not others in 100 of 100 "
            "frames",
        ),
        ("Scalar", "inference", r"Factors of a layer must be one for each channel, \(12,\), not \(1,\)"),
        ("Undefined", "inference", "Real-valued weights must be finite after a few steps"),
        ("Flat", "inference", r"Real-valued weights must have the shape \(12, 64\), not \(1, 64\)"),
    ],
)
def test_faults_are_found(name: str, check: str, rule: str) -> None:
    checks = MethodCheck(broken(name))
    with pytest.raises(InputError, match=f"^{rule}$"):
        checks.channels() if check == "channels" else getattr(checks, check)("dense")


def test_errors_of_the_method_have_their_line() -> None:
    line = (
        (HERE / "broken_methods.py").read_text().splitlines().index('        return values / clock.values["nothing"]')
    )
    found = finding("gradients", lambda: MethodCheck(broken("Faulty")).gradients("dense"))
    text = f"ended in KeyError: 'nothing' (broken_methods.py, line {line + 1})"
    assert found == Finding("gradients", False, text)
    assert str(found) == f"gradients: FAILED, {text}"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Unfinished", "width of method '{}' must have a default, a number or a text, not none"),
        ("Listed", "Method '{}' must take its constants, not end in ZeroDivisionError: .*"),
        ("Undecorated", "Class of method '{}' must be a dataclass derived from quant.methods.Method"),
        ("NOT_A_CLASS", "Class of method '{}' must be a dataclass derived from quant.methods.Method"),
        ("Missing", "File of method '{}' must define 'Missing', which it does not"),
    ],
)
def test_classes_that_cannot_be_used_are_refused(name: str, rule: str) -> None:
    with pytest.raises(InputError, match=f"^{rule.format('.*:' + name)}$"):
        load(broken(name))


def test_a_file_that_exits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(InputError, match=r"^File of method '.*' must run, not end in SystemExit: 0$"):
        load(f"{tmp_path / 'mine.py'}:Mine")


def test_another_prediction_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network = dense_network((12, 6, 4))
    frames = np.random.default_rng(0).integers(0, 256, (5, 12), np.uint8)
    right = method_check.hwsim.predict(network, frames).predictions
    wrong = right.copy()
    wrong[3] += 1
    check = SimpleNamespace(lowered=lambda kind, folder: Lowered(network, frames, wrong))
    found = {each.name: each for each in method_check._lowered(check, "dense", tmp_path, rtl=False)}
    text = "Predictions must be those of the exported file, not others for 1 of 5 frames"
    assert found["dense: predictions"] == Finding("dense: predictions", False, text)
    check.lowered = lambda kind, folder: Lowered(network, frames, right)
    assert all(each.passed for each in method_check._lowered(check, "dense", tmp_path, rtl=True))
    monkeypatch.setattr(method_check, "verify_rtl", lambda *_, **__: SimpleNamespace(passed=False))
    found = {each.name: each for each in method_check._lowered(check, "dense", tmp_path, rtl=True)}
    assert found["dense: RTL"].text.startswith("RTL must equal the reference, not differ: ")
