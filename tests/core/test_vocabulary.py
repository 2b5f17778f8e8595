"""The vocabulary by text."""

from hypothesis import given, strategies as st

from feature_manifold.core.vocabulary import VocabularyIndex

INDEX = VocabularyIndex(["<bos>", " Mon", "day", " Monday", "monday", "d", "", " ", "day"])


def test_entries_are_found_by_text_and_without_regard_to_case_and_space() -> None:
    assert INDEX.equal(" Monday") == [3]
    assert INDEX.equal("day") == [2, 8]
    assert INDEX.equal("Monday") == INDEX.equal("") == []
    assert INDEX.alike(" MONDAY ") == [3, 4]
    assert INDEX.alike(" ") == INDEX.alike("tuesday") == []


def test_a_text_is_spelled_by_the_longest_entries() -> None:
    assert INDEX.spell(" Mondayday") == [3, 2]
    assert INDEX.spell(" Mond") == [1, 5]
    assert INDEX.spell("x") is None
    assert INDEX.spell("") == []


def test_white_space_that_no_entry_holds_is_skipped() -> None:
    assert VocabularyIndex(["on", "day"]).spell("on \n day") == [0, 1]


@given(
    texts=st.lists(st.text("ab c", min_size=1, max_size=3), max_size=6),
    text=st.text("ab c", max_size=12),
)
def test_what_is_spelled_reads_as_the_text(texts: list[str], text: str) -> None:
    index = VocabularyIndex([*texts, "a", "b", "c"])
    ids = index.spell(text)
    assert ids is not None
    spelled = "".join(index.texts[token_id] for token_id in ids)
    assert spelled.replace(" ", "") == text.replace(" ", "")
    if " " in texts:
        assert spelled == text
