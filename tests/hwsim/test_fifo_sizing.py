"""FIFO depths found by simulation are as small as they can be."""

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings

from dataflow import Fifo, InputError, Network, fold
from hwsim import fifo_sizing, simulate
from hwsim.cycle import trial
from hwsim.fifo_sizing import shrink_depths
from sim_tests.cases import CASES, Case, dense_network
from sim_tests.strategies import conv_networks, dense_networks
from tests.examples import examples
from tests.hwsim.pattern_networks import Pattern, network_of, pattern_networks


def assert_minimal(network: Network, interval: int) -> dict[str, int]:
    depths = shrink_depths(network, interval=interval)
    assert depths.keys() == {fifo.name for fifo in network.fifos}
    shrunk = network.with_depths(depths)
    assert simulate(shrunk, 1).interval <= interval
    for name, depth in depths.items():
        if depth > 1:
            assert not reaches(shrunk.with_depths({name: depth - 1}), interval), name
    return depths


def reaches(network: Network, interval: int) -> bool:
    try:
        return simulate(network, 1).interval <= interval
    except InputError:
        return False


@pytest.mark.parametrize("case", CASES, ids=str)
def test_lowering_any_depth_costs_throughput(case: Case) -> None:
    network = case.network()
    depths = shrink_depths(network)
    assert depths == assert_minimal(network, network.interval)


@settings(max_examples=examples(25))
@given(dense_networks())
def test_random_networks(network: Network) -> None:
    assume(network.interval < 500)
    assert_minimal(network, network.interval)


@settings(max_examples=examples(10))
@given(conv_networks())
def test_random_convolutions(network: Network) -> None:
    assume(network.interval < 1000)
    assert_minimal(network, network.interval)


@pytest.mark.long
@settings(max_examples=examples(60))
@given(pattern_networks())
def test_random_networks_with_branches(network: Network) -> None:
    assert_minimal(network, network.interval)


def test_more_interval_takes_fewer_places() -> None:
    network = fold(dense_network((24, 8, 6, 4)), {"fc0": {"simd": 6}, "fc1": {"simd": 8}})
    exact = assert_minimal(network, network.interval)
    loose = assert_minimal(network, network.interval + network.interval // 10)
    assert sum(loose.values()) < sum(exact.values())


def test_slack_is_a_part_of_the_interval() -> None:
    network = fold(dense_network((24, 8, 6, 4)), {"fc0": {"simd": 6}, "fc1": {"simd": 8}})
    tenth = shrink_depths(network, slack=Fraction(1, 10))
    assert tenth == shrink_depths(network, interval=network.interval + network.interval // 10)
    with pytest.raises(InputError, match=r"^Interval slack must be at least 0, not -0\.05$"):
        shrink_depths(network, slack=Fraction(-1, 20))


def test_fixed_depths_stay_and_the_others_keep_what_these_allow() -> None:
    network = fold(dense_network((24, 8, 6, 4)), {"fc0": {"simd": 6}, "fc1": {"simd": 8}})
    free = shrink_depths(network)
    name = max(free, key=lambda name: free[name])
    fixed = {name: free[name] - 1}
    depths = shrink_depths(network, fixed=fixed)
    assert depths[name] == fixed[name]
    deep = network.with_depths({fifo.name: 100 for fifo in network.fifos} | fixed)
    slower = simulate(deep, 1).interval
    shrunk = network.with_depths(depths)
    assert network.interval < simulate(shrunk, 1).interval == slower
    for other, depth in depths.items():
        if other != name and depth > 1:
            assert simulate(shrunk.with_depths({other: depth - 1}), 1).interval > slower
    assert shrink_depths(network, fixed={name: 50})[name] == 50


def test_a_fixed_depth_that_deadlocks_is_explained() -> None:
    split = Pattern("split", ("xxxx",), ("xxxx", "xxxx"))
    join = Pattern("join", ("xxxx....", "....xxxx"), (".......x",))
    branches = [Fifo("split", "join"), Fifo("split", "join", 1, 1)]
    network = network_of([split, join], [Fifo("in", "split"), *branches, Fifo("join", "out")])
    sentence = (
        r"^Network 'net' must be able to move, not deadlock: "
        r"'split' waits for a place in 'split\.1 -> join\.1' \(full with 3\); "
        r"'join' waits for a beat in 'split -> join'; a depth of 4 for 'split\.1 -> join\.1' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        shrink_depths(network, fixed={"split.1 -> join.1": 3})
    assert shrink_depths(network, fixed={"split.1 -> join.1": 4})["split.1 -> join.1"] == 4


def test_a_fixed_depth_must_be_one_of_a_fifo() -> None:
    network = dense_network((12, 6, 4))
    with pytest.raises(InputError, match=r"^Depth of FIFO 'fc0 -> fc1' must be at least 1, not 0$"):
        shrink_depths(network, fixed={"fc0 -> fc1": 0})
    with pytest.raises(InputError, match=r"^FIFO must be one of .*, not 'fc0->fc1' \(did you mean 'fc0 -> fc1'\?\)$"):
        shrink_depths(network, fixed={"fc0->fc1": 4})


def test_depths_that_do_not_suffice_are_raised() -> None:
    deep = fold(dense_network((16, 8, 4)), {})
    shallow = deep.with_depths({fifo.name: 1 for fifo in deep.fifos})
    assert simulate(shallow, 1).interval > shallow.interval
    assert_minimal(shallow, shallow.interval)


def test_a_deadlock_is_freed() -> None:
    split = Pattern("split", ("xxxx",), ("xxxx", "xxxx"))
    join = Pattern("join", ("xxxx....", "....xxxx"), (".......x",))
    branches = [Fifo("split", "join", depth=1), Fifo("split", "join", 1, 1, depth=1)]
    network = network_of([split, join], [Fifo("in", "split"), *branches, Fifo("join", "out")])
    depths = assert_minimal(network, network.interval)
    assert depths["split.1 -> join.1"] >= 4


def test_an_interval_out_of_reach_is_refused() -> None:
    network = dense_network((12, 6, 4))
    network = fold(network, {"fc0": {"pe": 2, "simd": 2}, "fc1": {"pe": 4}})
    assert network.interval == 18
    sentence = r"^Interval of network 'dense-12-6-4' must be at least 18, the steps of its slowest node, not 17$"
    with pytest.raises(InputError, match=sentence):
        shrink_depths(network, interval=17)


def test_depths_are_not_doubled_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifo_sizing, "most_doublings", 0)
    network = dense_network((12, 6, 4))
    sentence = (
        r"^FIFOs of network 'dense-12-6-4' must reach an interval of 72 when their depths are doubled 0 times, "
        r"not miss it$"
    )
    with pytest.raises(InputError, match=sentence):
        shrink_depths(network.with_depths({fifo.name: 1 for fifo in network.fifos}))


def test_parts_that_drift_apart_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # 16 cycles per frame upstream, 17 downstream: the periodic state takes hundreds of frames.
    monkeypatch.setattr(trial, "search_frames", 20)
    network = fold(dense_network((16, 1, 1, 17)), {"fc2": {"pe": 17}})
    assert simulate(network, 20).periodic is None
    assert_minimal(network, 17)
