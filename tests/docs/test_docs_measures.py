"""The page of measures names every measure, null and effort, in the words of the code."""

from dataclasses import fields

import pytest

from feature_manifold.geometry.measures import CONCEPT_MEASURES, EFFORTS, MEASURES, Measure
from feature_manifold.geometry.measures.results import Effort
from tests.docs.pages import page, spans, tables

PAGE = page("docs/measures.md")
ROWS = {
    row[0].strip("`"): row
    for header, rows in tables(PAGE)
    if header[0] == "measure"
    for row in rows
}


@pytest.mark.parametrize("measure", MEASURES + CONCEPT_MEASURES, ids=lambda measure: measure.name)
def test_every_measure_has_a_row(measure: Measure) -> None:
    row = ROWS[measure.name]
    if len(row) == 5:
        assert row[1] in (measure.unit, "chord")
    assert all(row[2:])


def test_no_row_is_of_a_measure_that_is_gone() -> None:
    assert set(ROWS) == {measure.name for measure in MEASURES + CONCEPT_MEASURES}


def test_every_null_and_effort_is_explained() -> None:
    names = {null for measure in MEASURES + CONCEPT_MEASURES for null in measure.nulls}
    assert names | set(EFFORTS) <= set(spans(PAGE))


def test_the_table_of_efforts_has_the_numbers_of_the_code() -> None:
    rows = next(rows for header, rows in tables(PAGE) if header[1:] == ["`survey`", "`full`"])
    for place, name in enumerate(EFFORTS, start=1):
        text = " ".join(row[place] for row in rows).replace(",", "")
        for field in fields(Effort):
            if field.name not in ("neighbours", "angles", "directions", "check"):
                value = getattr(EFFORTS[name], field.name)
                assert str(value) in text, (name, field.name)
