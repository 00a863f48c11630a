"""The cost model's data, its fit and its documentation agree, and its errors are within their bounds."""

import csv
import json
from dataclasses import astuple
from functools import cache

import pytest

from benchmarks.calibrate_cost import FIT, fit
from benchmarks.cost_errors import DATA, PAGE, Compared, compared, measured, tables
from benchmarks.cost_samples import samples
from dataflow import MatrixVector
from dataflow.families import FAMILIES

#: Largest errors of single units that were not used for fitting, and of networks, none of which was used.
MOST_OF_UNITS, MOST_OF_NETWORKS = 0.25, 0.15


@cache
def rows() -> list[Compared]:
    return compared()


@pytest.mark.long
def test_every_sample_was_measured_for_every_family() -> None:
    names = [sample.name for sample in samples()]
    assert len(set(names)) == len(names)
    assert set(measured()) == {
        (sample.name, name) for sample in samples() for name, family in FAMILIES.items() if sample.is_for(family)
    }


@pytest.mark.long
def test_data_are_what_the_cells_come_to() -> None:
    with DATA.open(newline="") as file:
        found = {(row["sample"], row["family"]): row for row in csv.DictReader(file)}
    assert len(found) == len(measured())
    for key, use in measured().items():
        assert tuple(int(found[key][name]) for name in ("luts", "ffs", "brams", "dsps")) == astuple(use)


@pytest.mark.long
def test_the_fit_is_that_of_the_data() -> None:
    assert json.loads(FIT.read_text()) == fit()


@pytest.mark.long
def test_the_page_tells_the_errors_of_the_data() -> None:
    assert tables(rows()) in PAGE.read_text()


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_units_that_were_not_fitted_to_are_within_a_quarter(family: str) -> None:
    units = [row for row in rows() if row.family == family and not row.is_network and not row.sample.fitted]
    assert len(units) > 80
    assert [row.sample.name for row in units if row.error > MOST_OF_UNITS] == []


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_networks_are_within_their_bound(family: str) -> None:
    networks = [row for row in rows() if row.family == family and row.is_network]
    assert len(networks) == 7
    assert [row.sample.name for row in networks if row.error > MOST_OF_NETWORKS] == []


@pytest.mark.long
def test_dsps_of_matrices_are_exact() -> None:
    matrices = [row for row in rows() if isinstance(row.sample.thing, MatrixVector)]
    assert any(row.use.dsps for row in matrices)
    assert [(row.sample.name, row.family) for row in matrices if row.said.dsps != row.use.dsps] == []


@pytest.mark.long
def test_block_rams_are_exact() -> None:
    assert [(row.sample.name, row.family) for row in rows() if row.said.brams != row.use.brams] == []
