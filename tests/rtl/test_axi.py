"""AxiTop: names, padding, the marks at the end of a frame."""

import numpy as np
import pytest
from amaranth import ResetInserter, Shape, Signal

import dataflow
from hwsim.reference import evaluate
from rtl.axi import AxiTop, axi_prefixes
from sim_tests.cases import CASES, dense_case, dense_network, random_frames
from tests.rtl.harness import run

pytestmark = pytest.mark.sim


def send(
    network: dataflow.Network, frames: np.ndarray, lasts: list[bool], *, cycles: int, ready=None, reset_at: int = -1
) -> dict:
    """Offer frames with these ``tlast`` marks for some cycles; return what came out and every cycle's error mark.

    The bits of ``tdata`` above the beat are all ones, and so are inert lanes. A reset in cycle `reset_at`
    starts everything again.
    """
    top, reset = AxiTop(network), Signal()
    stream = network.inputs[0].stream
    words = dataflow.words_of(dataflow.beats_of(frames, stream), stream)
    whole, inert = (1 << len(top.s_axis_tdata)) - 1, stream.inert * stream.element.width
    garbage = [whole >> stream.width << stream.width] * stream.vector_beats
    garbage[-1] = whole >> (stream.width - inert) << (stream.width - inert)
    outputs = {end.name: axi_prefixes(network)[end.name] for end in network.outputs}
    seen = {"errors": [], **{name: [] for name in outputs}}
    sent = 0

    def step(ctx, cycle: int) -> bool:
        nonlocal sent
        valid = sent < len(words)
        ctx.set(top.s_axis_tvalid, valid)
        ctx.set(top.s_axis_tdata, words[sent] | garbage[sent % stream.vector_beats] if valid else 0)
        ctx.set(top.s_axis_tlast, valid and lasts[sent])
        seen["errors"].append(ctx.get(top.frame_error))
        for name, prefix in outputs.items():
            open_ = ready is None or bool(ready[cycle % len(ready)])
            ctx.set(getattr(top, f"{prefix}_tready"), open_)
            if open_ and ctx.get(getattr(top, f"{prefix}_tvalid")):
                seen[name].append((ctx.get(getattr(top, f"{prefix}_tdata")), ctx.get(getattr(top, f"{prefix}_tlast"))))
        sent += valid and ctx.get(top.s_axis_tready)
        ctx.set(reset, cycle == reset_at)
        if cycle == reset_at:
            sent = 0
            for taken in seen.values():
                taken.clear()
        return cycle == cycles

    run(ResetInserter(reset)(top), step)
    return seen


def marks(stream: dataflow.Stream, frames: int) -> list[bool]:
    """Return ``tlast`` of the beats of whole frames."""
    return ([False] * (stream.beats - 1) + [True]) * frames


@pytest.mark.parametrize("name", ["ragged", "one-class", "scores", "parallel", "inert", "inert-neighbours"])
def test_results_and_their_marks(name: str) -> None:
    network = next(case for case in CASES if case.name == name).network()
    frames = random_frames(network, 3)
    stream = network.inputs[0].stream
    seen = send(network, frames, marks(stream, 3), cycles=400, ready=[True, False, False, True, True])
    values = evaluate(network, frames)
    for end in network.outputs:
        (edge,) = network.fifos_into(end.name)
        words = dataflow.words_of(dataflow.beats_of(values[edge.name], end.stream), end.stream)
        assert seen[end.name] == list(zip(words, marks(end.stream, 3), strict=True))
    assert not any(seen["errors"])


@pytest.mark.parametrize("wrong", [0, 2, 5, 11], ids=["first beat", "inside", "end of frame", "second frame"])
def test_wrong_end_of_frame_is_shown_until_reset(wrong: int) -> None:
    network = dense_network((6, 2, 2))
    lasts = marks(network.inputs[0].stream, 3)
    lasts[wrong] = not lasts[wrong]
    errors = send(network, random_frames(network, 3), lasts, cycles=60)["errors"]
    first = errors.index(1)
    assert first > wrong
    assert errors == [0] * first + [1] * (len(errors) - first)


@pytest.mark.parametrize("reset_at", [1, 37, 50, 83, 120])
def test_reset_at_any_time_starts_a_new_frame(reset_at: int) -> None:
    network = next(case for case in CASES if case.name == "ragged").network()
    frames, stream = random_frames(network, 3), network.inputs[0].stream
    lasts = [False] * len(marks(stream, 3)) if reset_at == 83 else marks(stream, 3)
    seen = send(network, frames, lasts, cycles=400, reset_at=reset_at)
    assert seen["errors"][0] == 0
    words = dataflow.words_of(evaluate(network, frames)["arg_max -> class"], network.outputs[0].stream)
    assert [word for word, _ in seen["class"]] == words


def test_ports_of_one_input_and_one_output() -> None:
    top = AxiTop(dense_case("ragged"))
    widths = {name: Shape.cast(member.shape).width for name, member in top.signature.members.items()}
    assert widths == {
        "frame_error": 1,
        "s_axis_tdata": 32,
        "s_axis_tvalid": 1,
        "s_axis_tready": 1,
        "s_axis_tlast": 1,
        "m_axis_tdata": 8,
        "m_axis_tvalid": 1,
        "m_axis_tready": 1,
        "m_axis_tlast": 1,
    }


def test_several_outputs_carry_their_names() -> None:
    network = dense_network((12, 6, 4), outputs="both")
    assert axi_prefixes(network) == {"input": "s_axis", "scores": "m_axis_scores", "class": "m_axis_class"}
    top = AxiTop(network)
    assert len(top.m_axis_scores_tdata) == len(top.m_axis_class_tdata) == 8


def test_reset_at_level_0_has_the_names_of_axi() -> None:
    top = AxiTop(dense_network((6, 2, 2)), reset="active-low")
    assert {"aclk", "aresetn"} <= set(top.signature.members)
    assert not {"aclk", "aresetn"} & set(AxiTop(dense_network((6, 2, 2))).signature.members)


def test_unknown_reset_is_refused() -> None:
    with pytest.raises(dataflow.InputError, match=r"^Reset must be active-high or active-low, not 'low'$"):
        AxiTop(dense_network((6, 2, 2)), reset="low")


def test_beats_are_filled_up_to_whole_bytes() -> None:
    network = dataflow.fold(dense_network((12, 6, 4), outputs="scores"), {"fc1": {"pe": 4}})
    top = AxiTop(network)
    assert network.outputs[0].stream.width == 16
    assert len(top.m_axis_tdata) == 16
    network = dataflow.fold(dense_network((12, 6, 4), outputs="scores"), {"fc1": {"pe": 1}})
    assert network.outputs[0].stream.width == 4
    assert len(AxiTop(network).m_axis_tdata) == 8
