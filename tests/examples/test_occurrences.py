"""Where tokens and text stand, and the text round a row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.examples.searched import table_of, type_rows_of
from tests.firing_strategies import token_tables

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.vocabulary import VocabularyIndex
from feature_manifold.examples import occurrences
from feature_manifold.examples.occurrences import (
    checked_rows,
    evenly_spaced,
    rows_of_groups,
    rows_of_sequence,
    rows_of_token_ids,
    sampled,
)
from feature_manifold.examples.passages import passages_of
from feature_manifold.examples.spelling import spell
from feature_manifold.store.token_table import TokenTable

VOCABULARY = ["<bos>", " New", " York", "New", " york", "<script>alert(1)</script>", "‮x\u0000", "."]


def slow_sequence(table: TokenTable, ids: list[int]) -> list[int]:
    found = []
    for window in range(table.n_windows):
        first, last = table.windows[window], table.windows[window + 1]
        row = table.token_id[first:last].tolist()
        ends = range(len(ids), len(row) + 1)
        found += [first + end - 1 for end in ends if row[end - len(ids) : end] == ids]
    return found


@given(n=st.integers(0, 200), most=st.integers(1, 60))
def test_a_sample_is_even_rising_and_without_repeats(n: int, most: int) -> None:
    found = evenly_spaced(n, most)
    assert len(found) == min(n, most)
    steps = np.diff(found)
    assert (steps >= 1).all()
    assert not len(steps) or np.ptp(steps) <= 1
    assert (found < n).all()
    assert (found[:1] == 0).all()


@settings(deadline=None)
@given(
    values=st.lists(st.integers(-1, 6), max_size=50),
    groups=st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=3),
    most=st.integers(1, 60),
)
def test_rows_of_groups_equal_the_obvious_ones(
    values: list[int], groups: list[list[int]], most: int
) -> None:
    flat = [token_id for group in groups for token_id in group]
    groups = [[i for i in group if flat.count(i) == 1] for group in groups]
    if not any(groups):
        groups = [[8]]
    token_id = np.array(values, dtype=np.int32)
    found, group_of = rows_of_groups(type_rows_of(token_id), groups, most=most)
    wanted = {i: n for n, group in enumerate(groups) for i in group}
    rows = [row for row, value in enumerate(values) if value in wanted]
    assert found.n_occurrences == len(rows)
    assert found.n_used == min(most, len(rows))
    assert found.is_exact == (len(rows) <= most)
    assert sorted(set(found.rows.tolist())) == found.rows.tolist()
    assert set(found.rows.tolist()) <= set(rows)
    assert [wanted[values[row]] for row in found.rows] == group_of.tolist()


def test_each_token_id_keeps_its_share_of_a_sample() -> None:
    token_id = np.repeat([0, 1, 2], [600, 300, 100]).astype(np.int32)
    found = rows_of_token_ids(type_rows_of(token_id), [2, 0, 1, 1], most=50)
    assert (found.n_occurrences, found.n_used, found.is_exact) == (1000, 50, False)
    assert np.bincount(token_id[found.rows]).tolist() == [30, 15, 5]
    assert sampled(found, 10).n_used == 10
    assert sampled(found, 10).n_occurrences == 1000


@settings(deadline=None)
@given(data=st.data(), n_tokens=st.integers(1, 40))
def test_a_sequence_is_found_within_windows_only(data: st.DataObject, n_tokens: int) -> None:
    table = data.draw(token_tables(n_tokens))
    token_id = table.token_id % 3
    table = TokenTable(token_id, table.doc_id, table.position, table.windows, table.documents)
    ids = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    found = rows_of_sequence(type_rows_of(token_id), table, ids)
    assert found.rows.tolist() == slow_sequence(table, ids)
    assert found.is_exact


def test_a_frequent_sequence_is_looked_for_in_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of([[1, 2] * 500])
    monkeypatch.setattr(occurrences, "MAX_CANDIDATES", 50)
    found = rows_of_sequence(type_rows_of(table.token_id), table, [1, 2])
    assert (found.n_used, found.n_occurrences, found.is_exact) == (50, 500, False)
    none = rows_of_sequence(type_rows_of(table.token_id), table, [1, 1])
    assert (none.n_used, none.n_occurrences, none.is_exact) == (0, 0, False)


@pytest.mark.parametrize(
    ("given_rows", "message"),
    [
        ([], "0 token rows"),
        ([5], "No token row 5"),
        ([-1], "No token row -1"),
        ([0] * 4, "4 token"),
    ],
)
def test_rows_that_are_not_there_are_refused(given_rows: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_rows(given_rows, n_tokens=5, most=3)


@pytest.mark.parametrize("token_ids", [[], [-1], [2**70], range(10_001)])
def test_token_ids_that_cannot_be_are_refused(token_ids: list[int]) -> None:
    with pytest.raises(InputError):
        rows_of_token_ids(type_rows_of(np.zeros(3, dtype=np.int32)), token_ids, most=5)


def test_text_is_an_entry_with_and_without_a_space_before_it() -> None:
    index = VocabularyIndex(VOCABULARY)
    assert spell("New", index, None).sequences == ((3,), (1,))
    assert spell(" New", index, None).sequences == ((1,), (3,))
    assert spell("new", index, None).how == "other case"
    assert spell("<script>alert(1)</script>", index, None).sequences == ((5,),)


def test_text_is_cut_by_the_tokenizer_or_into_the_longest_entries() -> None:
    index = VocabularyIndex(VOCABULARY)
    greedy = spell("New York", index, None)
    assert (greedy.sequences, greedy.how) == (((3, 2), (1, 2)), "longest entries")
    cut = spell("New York", index, lambda text: [7] if text[0] == " " else None)
    assert (cut.sequences, cut.how) == (((7,),), "tokenizer")


@pytest.mark.parametrize("text", ["", "x" * 201, "quark", "\ud800", "   "])
def test_text_that_cannot_stand_in_the_corpus_is_refused(text: str) -> None:
    def encode(form: str) -> list[int] | None:
        form.encode()
        return None

    with pytest.raises(InputError):
        spell(text, VocabularyIndex(VOCABULARY), encode)


def slow_passage(table: TokenTable, row: int, context: int) -> tuple[int, list[int]]:
    window = next(w for w in range(table.n_windows) if table.windows[w + 1] > row)
    span = [
        other
        for other in range(table.windows[window], table.windows[window + 1])
        if abs(other - row) <= context
        and (other == row or other != table.windows[window] or table.position[other] != -1)
    ]
    return span[0], table.token_id[span].tolist()


@settings(deadline=None)
@given(data=st.data(), n_tokens=st.integers(1, 30), context=st.integers(0, 6))
def test_a_passage_stays_in_its_window_and_marks_its_row(
    data: st.DataObject, n_tokens: int, context: int
) -> None:
    table = data.draw(token_tables(n_tokens))
    texts = [f"{number}" for number in range(31)]
    rows = data.draw(st.lists(st.integers(0, n_tokens - 1), min_size=1, max_size=5))
    for row, passage in zip(rows, passages_of(table, texts, rows, context=context), strict=True):
        start, ids = slow_passage(table, row, context)
        assert (passage.row, passage.start) == (row, start)
        assert [t if t != "\N{REPLACEMENT CHARACTER}" else "-1" for t in passage.tokens] == [
            str(token_id) for token_id in ids
        ]
        assert passage.start + passage.marked == row
        assert passage.token_id == table.token_id[row]
        assert passage.document == table.doc_id[row]


def test_hostile_text_comes_back_as_it_is() -> None:
    table = table_of([[5, 6, 7]], bos=0)
    (passage,) = passages_of(table, VOCABULARY, [2], context=5)
    assert passage.tokens == tuple(VOCABULARY[5:8])
    assert (passage.marked, passage.position, passage.start) == (1, 1, 1)


@pytest.mark.parametrize(
    ("rows", "options"),
    [([0], {"context": 201}), ([0], {"context": -1}), ([9], {}), ([0] * 501, {}), ([], {})],
)
def test_passages_are_bounded(rows: list[int] | Array, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        passages_of(table_of([[1, 2]]), VOCABULARY, rows, **options)
