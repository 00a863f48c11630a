"""Hardware whose classes of positions, groups or sums below a kernel are broken on purpose is found."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import MatrixVector, Network, SlidingWindow, SumPool
from rtl.components.sum_pool import SumPool as SumPoolComponent
from sim_tests.cases import random_frames
from sim_tests.mutants import Original
from sim_tests.test_conv import CASES

pytestmark = pytest.mark.sim

#: Sums of bits with zero outside, in groups, pooled; thresholds with zero outside, in groups; sums below a kernel.
NETWORK = CASES["everything"].network()
ORIGINAL = Original(NETWORK, random_frames(NETWORK, 4), seed=2)


def matrix(name: str) -> MatrixVector:
    node = NETWORK.node(name)
    assert isinstance(node, MatrixVector)
    assert node.position_classes is not None
    return node


def check_values(mutant: Network, streams: set[str] | None = None) -> None:
    """Check that the mutant's values are reported, only in the named streams, and that no cycle is."""
    verification = ORIGINAL.verify(mutant)
    assert ORIGINAL.differing_streams(mutant)
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    if streams is not None:
        assert verification.first[0].stream in streams


def downstream_of(name: str) -> set[str]:
    return {fifo.name for fifo in NETWORK.fifos_out_of(name)}


def test_the_network_itself_is_equal() -> None:
    assert isinstance(NETWORK.node("pool1"), SumPool)
    assert matrix("conv0").offsets is not None
    assert matrix("conv1").thresholds is not None
    assert ORIGINAL.verify().passed


@pytest.mark.parametrize("name", ["conv0", "conv1"])
@pytest.mark.parametrize("position", [0, -1])
def test_another_class_of_one_position_is_found(name: str, position: int) -> None:
    node = matrix(name)
    classes = node.position_classes.copy()  # type: ignore[union-attr]
    levels = node.offsets if node.thresholds is None else node.thresholds
    others = [kind for kind in range(len(levels)) if (levels[kind] != levels[classes[position]]).any()]  # type: ignore[arg-type,index]
    changed = []
    for kind in others:
        classes[position] = kind
        changed.append(ORIGINAL.with_node(replace(node, position_classes=classes)))
    shown = [mutant for mutant in changed if ORIGINAL.differing_streams(mutant)]
    check_values(shown[0], downstream_of(name))


def test_another_offset_of_one_class_is_found() -> None:
    node = matrix("conv0")
    offsets = node.offsets.copy()  # type: ignore[union-attr]
    offsets[0, 1] += 1 if offsets[0, 1] < offsets.max() else -1  # of the same width, the lowest bit differs
    check_values(ORIGINAL.with_node(replace(node, offsets=offsets)), downstream_of("conv0"))


def test_another_order_of_groups_is_found() -> None:
    window = NETWORK.node("conv0.window")
    assert isinstance(window, SlidingWindow)
    assert window.groups == 2
    check_values(ORIGINAL.with_node(replace(window, groups=1)), downstream_of("conv0.window"))


def test_weights_of_another_group_are_found() -> None:
    node = matrix("conv0")
    weights = np.roll(node.weights, node.group_neurons, axis=0)
    check_values(ORIGINAL.with_node(replace(node, weights=weights)), downstream_of("conv0"))


def test_sums_that_count_what_is_outside_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(NETWORK.node("pool1").padding)  # type: ignore[attr-defined]
    number = SumPoolComponent.lane_number

    class Everywhere:
        """A buffer all of whose taps are inside."""

        def __init__(self, buffer: object) -> None:
            self.o, self.inside = buffer.o, ~buffer.inside | buffer.inside  # type: ignore[attr-defined]

    monkeypatch.setattr(
        SumPoolComponent, "lane_number", lambda self, m, k, buffer: number(self, m, k, Everywhere(buffer))
    )
    verification = ORIGINAL.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream in downstream_of("pool1")
