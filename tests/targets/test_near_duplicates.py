from __future__ import annotations

import random

from augury.targets.near_duplicates import merge_groups, near_duplicates, sketch

WORDS = [f"w{number}" for number in range(3000)]


def book(seed: int, words: int = 4000) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(text: str, every: int) -> str:
    """The same text with one word in `every` replaced, in capitals and with other line breaks."""
    words = text.upper().split()
    words[::every] = ["changed"] * len(words[::every])
    return "\n".join(words)


def test_editions_and_parts_are_found_and_other_books_are_not() -> None:
    texts = {
        "a": book(1),
        "edition of a": edited(book(1), 60),
        "second half of a": " ".join(book(1).split()[2000:]),
        "b": book(2),
        "c": book(3),
    }
    pairs = near_duplicates({name: sketch(text) for name, text in texts.items()})
    assert {(pair.first, pair.second) for pair in pairs} == {
        ("a", "edition of a"),
        ("a", "second half of a"),
        ("edition of a", "second half of a"),
    }
    assert all(0.6 < pair.shared <= 1 for pair in pairs)


def test_a_shared_page_of_boilerplate_makes_no_pair() -> None:
    licence = book(9, 200)
    sketches = {f"book {n}": sketch(book(n) + " " + licence) for n in range(4)}
    assert near_duplicates(sketches) == ()


def test_the_same_words_in_another_order_are_another_text() -> None:
    words = book(8).split()
    swapped = [word for a, b in zip(words[::2], words[1::2], strict=True) for word in (b, a)]
    assert near_duplicates({"a": sketch(book(8)), "b": sketch(" ".join(swapped))}) == ()


def test_ties_run_through_a_third_book() -> None:
    texts = {"x": book(5), "y": book(5) + " " + book(6), "z": book(6), "other": book(7)}
    pairs = near_duplicates({name: sketch(text) for name, text in texts.items()})
    groups = merge_groups(list(texts), pairs)
    assert groups == {"x": "x", "y": "x", "z": "x", "other": "other"}


def test_short_texts_say_nothing() -> None:
    same = "one two three four five six seven"
    assert len(sketch(same)) == 0
    assert near_duplicates({"a": sketch(same), "b": sketch(same)}) == ()
    assert merge_groups(["a", "b"], ()) == {"a": "a", "b": "b"}
