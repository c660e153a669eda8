"""Surface features are of words: no substring is taken for one."""

from __future__ import annotations

import pytest

from augury.targets.surface import count_words, surface, words

NONE = count_words([], "nothing")


@pytest.mark.parametrize(
    ("question", "negated"),
    [
        ("Which is not a mammal?", True),
        ("Who wrote another note in Nottingham?", False),
        ("Why can't pigs fly?", True),
        ("Why can\u2019t pigs fly?", True),
        ("Where is Notre-Dame?", False),
        ("Who cannot swim?", True),
    ],
)
def test_negation_is_a_word(question: str, negated: bool) -> None:
    assert surface(question, NONE).has_negation is negated


@pytest.mark.parametrize(
    ("question", "ambiguous"),
    [
        ("In which year did May 1968 happen?", False),
        ("Who was the mayor of Rome?", False),
        ("What may happen if it rains?", True),
        ("What happened in may?", False),
        ("What might happen?", True),
        ("Who is almighty?", False),
        ("May one eat this?", False),
    ],
)
def test_hedges_are_words_and_may_is_not_the_month(question: str, ambiguous: bool) -> None:
    assert surface(question, NONE).has_ambiguity is ambiguous


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Whose book is this?", "who"),
        ("In what year was it?", "what"),
        ("Somewhat odd: when was it?", "when"),
        ("Name a planet.", "other"),
        ("How and why?", "how"),
    ],
)
def test_the_first_question_word_is_the_type(question: str, kind: str) -> None:
    assert surface(question, NONE).question_type == kind


def test_rarity_follows_the_corpus_and_not_the_spelling() -> None:
    counts = count_words(["the cat and the dog", "the bird"], "three texts")
    assert counts.total == 7 and counts.counts["the"] == 3
    assert counts.rarity("the") < counts.rarity("cat") < counts.rarity("zebra")
    look = surface("The zebra?", counts)
    assert look.rarity_max == counts.rarity("zebra")
    assert look.rarity_mean == pytest.approx((counts.rarity("the") + counts.rarity("zebra")) / 2)
    assert surface("42?", counts).rarity_max == 0


def test_words_are_lower_case_without_numbers() -> None:
    assert words("Don't eat 3 Apples, Zoë!") == ["don't", "eat", "apples", "zoë"]
