"""Random graphs, legal and not: each is lowered and equals exact evaluation, or is refused in a sentence."""

import pytest

from tests.quant.lowering.random_graphs import make, options_of
from tests.quant.lowering.random_graphs_failures import described, failure_of, shrunk


def assert_graphs(seeds: range) -> None:
    """Check the graphs of some seeds; say which fail, and how the first of each kind looks when it is small."""
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    failures = {seed: text for seed in seeds if (text := failure_of(make(seed), seed, **options_of(seed)))}
    examples = {failure: seed for seed, failure in reversed(failures.items())}
    texts = [
        f"seed {seed}, {options_of(seed)}: {failure}\n{described(shrunk(make(seed), seed, **options_of(seed)))}"
        for failure, seed in examples.items()
    ]
    assert not failures, f"{len(failures)} of {len(seeds)} graphs fail\n" + "\n".join(texts)


def test_random_graphs() -> None:
    assert_graphs(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_many_random_graphs(part: int) -> None:
    assert_graphs(range(1000 + 100 * part, 1000 + 100 * (part + 1)))
