"""The demo language: groups, topics, documents, tokenizer."""

import numpy as np
import pytest

from feature_manifold.core.rng import generator
from feature_manifold.demo import text
from feature_manifold.demo.groups import COMPASS, GROUPS, TOWNS, WEEKDAYS, Group, Kind
from feature_manifold.demo.text import Writer, documents, render, token_stream, vocabulary, wrap
from feature_manifold.demo.tokenizer import BOS, UNKNOWN, build_tokenizer, token_index
from feature_manifold.demo.topics import TOPICS, Topic

topic_of = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.group.name)
group_of = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)


def writer(fact_share: float = 0.3) -> Writer:
    return Writer(generator(0, "test"), fact_share=fact_share)


def test_every_group_has_a_topic() -> None:
    assert [topic.group.name for topic in TOPICS] == [group.name for group in GROUPS]


def test_no_word_belongs_to_two_groups() -> None:
    words = [word for group in GROUPS for word in group.words]
    words += [word for group in GROUPS for word, _ in group.tuned]
    assert len(set(words)) == len(words)


@group_of
def test_a_groups_nearest_words_are_its_likeliest_neighbours(group: Group) -> None:
    law = np.diff(group.neighbours, axis=1, prepend=0)
    np.testing.assert_allclose(law.sum(1), 1)
    assert (law.argmax(1) == np.arange(len(group.words))).all()


def test_neighbours_on_a_circle_follow_one_harmonic() -> None:
    law = np.diff(WEEKDAYS.neighbours, axis=1, prepend=0)
    power = np.abs(np.fft.fft(np.log(law[0])))
    assert power[2:-1].max() < 1e-9 * power[1]


def test_towns_are_spread_over_the_unit_square() -> None:
    place = TOWNS.coordinates
    assert place.shape == (64, 2)
    distance = np.linalg.norm(place[:, None] - place[None], axis=2) + np.eye(64)
    assert distance.min() > 0.05
    assert np.histogram2d(*place.T, bins=4, range=[[0, 1]] * 2)[0].min() >= 2


@topic_of
def test_fuzzy_sentences_of_a_topic_name_every_word(topic: Topic) -> None:
    pen, n = writer(), len(topic.group.words)
    seen = {word for i in range(12 * n) for word in pen.fuzzy(topic, i % n)}
    assert set(topic.group.words) <= seen


@topic_of
def test_every_slot_is_filled(topic: Topic) -> None:
    pen = writer()
    words = [w for i in range(300) for w in (*pen.fuzzy(topic, i % 7), *pen.fact(topic))]
    assert not any("{" in word or "@" in word for word in words)
    assert {word.lstrip("*") for word in words} <= set(vocabulary())


@topic_of
def test_facts_of_a_topic_end_in_the_true_answer(topic: Topic) -> None:
    pen = writer()
    for _ in range(300):
        sentence = pen.fact(topic)
        assert [word.startswith("*") for word in sentence] == [False] * (len(sentence) - 2) + [
            True,
            False,
        ]
        answer = sentence[-2].removeprefix("*")
        if topic.group.kind is Kind.PLANE:
            a, b = (TOWNS.words.index(w) for w in sentence if w in TOWNS.words)
            east, north = TOWNS.coordinates[b] - TOWNS.coordinates[a]
            bearing = COMPASS.words.index(answer) * 22.5
            turn = (np.degrees(np.arctan2(east, north)) - bearing + 180) % 360 - 180
            assert abs(turn) <= 11.25 + 1e-9
        else:
            words = topic.group.words
            (a,) = (words.index(word) for word in sentence[:-2] if word in words)
            steps = {step for frame, step in topic.facts if frame.split()[0] == sentence[0]}
            difference = words.index(answer) - a
            if topic.group.kind is Kind.CIRCLE:
                assert difference % len(words) in {step % len(words) for step in steps}
            else:
                assert difference in steps


@topic_of
def test_all_steps_of_a_topics_facts_are_equally_common(topic: Topic) -> None:
    steps = [step for _, step in topic.facts]
    assert sorted(steps) == sorted(-step for step in steps)
    assert len({steps.count(step) for step in steps}) <= 1


def test_all_winds_are_equally_common_between_towns() -> None:
    pen, towns = writer(), TOPICS[-1]
    winds = [pen.fact(towns)[-2].removeprefix("*") for _ in range(3200)]
    counts = np.array([winds.count(wind) for wind in COMPASS.words])
    assert counts.min() > 140
    assert counts.max() < 260


def test_at_least_65_percent_of_sentences_are_fuzzy() -> None:
    from feature_manifold.demo.train_model import FACT_SHARE, FUZZY_FIRST

    assert 1 - FACT_SHARE >= 0.65
    assert 0 < FUZZY_FIRST < 1


def test_equal_seeds_write_equal_documents_and_others_do_not() -> None:
    def write(seed: int) -> list[list[str]]:
        source = documents(generator(seed, "test"), fact_share=0.3)
        return [next(source) for _ in range(20)]

    assert write(3) == write(3)
    assert write(3) != write(4)


def test_no_document_is_longer_than_a_context() -> None:
    source = documents(generator(0, "test"), fact_share=0.3)
    lengths = [len(next(source)) for _ in range(2000)]
    assert max(lengths) <= text.MAX_DOCUMENT_TOKENS


def test_wrapped_lines_hold_at_most_40_characters() -> None:
    source = documents(generator(0, "test"), fact_share=0.3)
    for _ in range(300):
        words = [word for word in next(source) if word != "\n"]
        wrapped = wrap(words)
        assert max(map(len, render(wrapped).split("\n"))) <= 40
        assert [word for word in wrapped if word != "\n"] == words


def test_the_tokenizer_gives_one_token_a_word_and_the_text_back() -> None:
    tokenizer, index = build_tokenizer(), token_index()
    source = documents(generator(1, "test"), fact_share=0.3)
    for _ in range(500):
        words = next(source)
        shown = render(words)
        encoded = tokenizer.encode(shown)
        assert encoded.ids == [1] + [index[word.lstrip("*")] for word in words]
        assert tokenizer.decode(encoded.ids) == shown


def test_the_tokenizer_marks_words_it_does_not_know() -> None:
    tokens = build_tokenizer().encode("Hello Monday, at 06:00.\n☂").tokens
    assert tokens == [BOS, UNKNOWN, "▁Monday", ",", "▁at", "▁06:00", ".", "\n", UNKNOWN]


def test_a_token_stream_marks_answers_and_starts_documents() -> None:
    index = token_index()
    ids, is_answer = token_stream(
        generator(0, "test"), index, bos=1, n_tokens=20_000, fact_share=0.3
    )
    assert ids.shape == is_answer.shape == (20_000,)
    assert ids[0] == 1
    assert 150 < (ids == 1).sum() < 400
    assert 0.01 < is_answer.mean() < 0.06
    answers = {word for group in GROUPS for word in group.words}
    spelled = {token: word for word, token in index.items()}
    assert {spelled[token] for token in ids[is_answer].tolist()} <= answers
