"""The three hypotheses, answered from a closed list by rules that are written down here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["ANSWERS", "Answer", "Hypothesis", "answer_h0", "answer_h1", "answer_h2", "answers"]

Answer = Literal["supported", "not supported", "not rejected", "breaks the model", "inconclusive"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

_LARGE = 0.5
"""A rate has changed heavily when it falls to half of what it was, or doubles."""

_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One hypothesis, its answer and the evidence."""

    name: str
    statement: str
    answer: Answer
    why: str


def answers(facts: Mapping[str, Mapping[str, Any]]) -> tuple[Hypothesis, ...]:
    """H1, H0 and H2 of one run.

    Args:
        facts: Those of the steps `compare-conditions` and `formatting-sweep`.
    """
    found = facts["compare-conditions"]
    return answer_h1(found), answer_h0(found), answer_h2(facts["formatting-sweep"])


def answer_h1(found: Mapping[str, Any]) -> Hypothesis:
    """A small set of sub-layers brings the event about.

    Supported: ablating the chosen ones halves the rate at least, takes more away than matched
    random sets do, and the model passes all gates.
    """
    told = _told(found)
    statement = "H1, localised trigger: a small set of sub-layers brings backtracking about"
    if found["broken"]:
        failed = [gate for gate in found["gates"] if "FAILED" in gate]
        return Hypothesis("H1", statement, "breaks the model", f"{told}; {'; '.join(failed)}")
    if _too_little(found):
        return Hypothesis("H1", statement, "inconclusive", f"{told}; {_too_little(found)}")
    halved = found["own_rate"] <= _LARGE * found["clean_rate"]
    if halved and found["beats_draws"]:
        return Hypothesis("H1", statement, "supported", told)
    lack = "" if found["beats_draws"] else "; no more than random sets, or not surely above zero"
    lack += "" if halved else "; the rate is not halved"
    return Hypothesis("H1", statement, "not supported", told + lack)


def answer_h0(found: Mapping[str, Any]) -> Hypothesis:
    """No small set does: it is spread out, or goes another way.

    Not rejected where the ablation surely leaves more than half of the rate; a null hypothesis is
    never shown.
    """
    told = _told(found)
    statement = "H0, diffuse: no small set of sub-layers reliably takes backtracking away"
    if found["broken"]:
        return Hypothesis(
            "H0", statement, "breaks the model", f"{told}; a broken model says nothing about it"
        )
    if _too_little(found):
        return Hypothesis("H0", statement, "inconclusive", f"{told}; {_too_little(found)}")
    if answer_h1(found).answer == "supported":
        return Hypothesis("H0", statement, "not supported", f"{told}; this set does")
    if found["low"] > -_LARGE * found["clean_rate"]:
        why = f"{told}; more than half of the rate surely remains, for this set"
        return Hypothesis("H0", statement, "not rejected", why)
    return Hypothesis(
        "H0", statement, "inconclusive", f"{told}; a fall by half is not ruled out either"
    )


def answer_h2(found: Mapping[str, Any]) -> Hypothesis:
    """Backtracking hangs on the format of the prompt.

    Supported: in some format the rate is at most half of that of the analysed one, or at least
    twice, and the paired difference is sure after correction for all formats.
    """
    statement = "H2, format: backtracking depends heavily on how the prompt is formatted"
    rows = {row["variant"]: row for row in found["rows"]}
    base = rows[found["base"]]["backtracking_rate"]
    others = [row for row in found["rows"] if row["difference"] is not None]
    told = f"{found['base']} {base:.3f}"
    for row in others:
        held = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if row["low"] is not None else ""
        told += (
            f"; {row['variant']} {row['backtracking_rate']:.3f} ({row['difference']:+.3f}{held})"
        )
    if not others or any(row["p_corrected"] is None for row in others) or base == 0:
        return Hypothesis("H2", statement, "inconclusive", f"{told}; too few problems or formats")
    heavy = [
        row["variant"]
        for row in others
        if row["p_corrected"] <= _ALPHA
        and not _LARGE < row["backtracking_rate"] / base < 1 / _LARGE
    ]
    if heavy:
        return Hypothesis("H2", statement, "supported", f"{told}; heavily in {', '.join(heavy)}")
    sure = [row["variant"] for row in others if row["p_corrected"] <= _ALPHA]
    tail = f"; it differs in {', '.join(sure)}, but not heavily" if sure else "; no sure difference"
    return Hypothesis("H2", statement, "not supported", told + tail)


def _told(found: Mapping[str, Any]) -> str:
    held = f" [{found['low']:+.3f}, {found['high']:+.3f}]" if found["low"] is not None else ""
    rates = found["random_rates"]
    random = f"{min(rates):.3f} to {max(rates):.3f}" if rates else "none"
    return (
        f"without {', '.join(found['sites'])} the rate is {found['own_rate']:.3f} instead of "
        f"{found['clean_rate']:.3f} ({found['effect']:+.3f}{held}); {len(rates)} random sets: "
        f"{random}; {found['problems']} problems"
    )


def _too_little(found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return "too few problems"
    if found["clean_rate"] == 0:
        return "no event without edits"
    return "" if found["enough_draws"] else "too few random sets"
