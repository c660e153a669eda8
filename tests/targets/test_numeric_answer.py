from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from augury.errors import DataError
from augury.targets.numeric_answer import judge_answer, read_answer, same_number


@pytest.mark.parametrize(
    ("text", "value", "rule"),
    [
        (r"so it is \boxed{621}", "621", "boxed"),
        (r"\boxed{5} ... no, \boxed{\dfrac{41}{20}}", "41/20", "boxed"),
        (r"\boxed{-\frac{1} { 4027}}", "-1/4027", "boxed"),
        (r"\boxed{360^\circ}", "360", "boxed"),
        (r"\boxed{x = 12\text{ apples}}", "12", "boxed"),
        (r"\boxed{\$1,250.50}", "1250.5", "boxed"),
        (r"\boxed{4\sqrt{2}}", None, "boxed"),
        (r"\boxed{(1, 2)}", None, "boxed"),
        ("#### 1,319", "1319", "marked"),
        ("A: 18", "18", "marked"),
        ("Answer: 5 + 3 = 8", "8", "marked"),
        ("**Answer:** 12 dollars", "12", "marked"),
        ("Final: 5 pounds.", "5", "marked"),
        ("The final answer is $-3.5.", "-3.5", "marked"),
        ("So the answer should be 621.", "621", "marked"),
        # Only the last mark counts: a first guess that was taken back does not.
        ("The answer is 4. Wait, no. The answer is 7, not 4.", "7", "marked"),
        ("2 points/answer= 48 points\nand 64 in all", "64", "last number"),
        ("She makes 9 * 2 = $<<9*2=18>>18 every day", "18", "last number"),
        ("You save $3 + $5 = $8 for 3 gallons of milk", "8", "last number"),
        ("from 1:00 PM on the 13th day: 6 miles", "6", "last number"),
        ("he walks 2 1/2 miles", "5/2", "last number"),
        ("that is 3/4 of it", "3/4", "last number"),
        ("10 - 12 = -2", "-2", "last number"),
        ("it was 10-4", "4", "last number"),
        ("about 1.5e3 of them", "1500", "last number"),
        ("nothing to see", None, "none"),
        ("", None, "none"),
        ("1/0", None, "none"),
        ("9" * 2000, None, "none"),
    ],
)
def test_the_number_is_read(text: str, value: str | None, rule: str) -> None:
    found = read_answer(text)
    assert (found.value, found.rule) == (None if value is None else Fraction(value), rule)


def test_rounding_does_not_make_two_numbers_of_one() -> None:
    assert same_number(Fraction("0.33333333"), Fraction(1, 3))
    assert not same_number(Fraction("0.333"), Fraction(1, 3))
    assert same_number(Fraction(0), Fraction(0)) and not same_number(Fraction(0), Fraction(1, 99))


@pytest.mark.parametrize(
    ("text", "finished", "state"),
    [
        ("The answer is 7.", True, "right"),
        ("The answer is 8.", True, "wrong"),
        ("I cannot say.", True, "unparsed"),
        (r"\boxed{\pi}", True, "unparsed"),
        ("First, 3 + 3 = 6, then", False, "truncated"),
        ("Let me think", False, "truncated"),
        # Cut after the answer was given.
        ("The answer is 7. Let me check", False, "right"),
    ],
)
def test_cut_and_unreadable_texts_are_no_wrong_answers(
    text: str, finished: bool, state: str
) -> None:
    assert judge_answer(text, "7", finished=finished) == state


def test_a_gold_answer_that_is_no_number_is_an_error() -> None:
    with pytest.raises(DataError, match="one number"):
        judge_answer("7", r"4\sqrt{2}", finished=True)


def test_real_model_solutions_are_judged_as_their_graders_did(augury_data: Path) -> None:
    lines = (augury_data / "gsm8k/example_model_solutions.jsonl").read_text().splitlines()
    disagreements = total = 0
    for record in map(json.loads, lines):
        gold = record["ground_truth"].rpartition("A:")[2]
        for value in record.values():
            if isinstance(value, dict):
                state = judge_answer(value["solution"], gold, finished=True)
                disagreements += (state == "right") != value["is_correct"]
                total += 1
    assert total == 1200 and disagreements <= 2


def test_without_any_mark_the_last_line_gives_the_number_of_human_solutions(
    augury_data: Path,
) -> None:
    lines = (augury_data / "gsm8k/test.jsonl").read_text().splitlines()
    wrong = 0
    for record in map(json.loads, lines):
        body, _, gold = record["answer"].rpartition("\n#### ")
        wrong += judge_answer(body, gold, finished=True) != "right"
    assert wrong / len(lines) < 0.02
