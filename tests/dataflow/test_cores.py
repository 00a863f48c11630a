"""How many threads and programs run side by side."""

import os

import pytest

from dataflow.cores import core_count


def test_the_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 6}, raising=False)
    assert core_count() == 3


@pytest.mark.parametrize(("known", "count"), [(8, 8), (None, 1)])
def test_where_a_system_does_not_say_so_they_are_all(
    known: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert core_count() == count
