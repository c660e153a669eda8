"""Do the published importances follow from what they are made of? A table, value by value.

With rollouts, everything is computed anew. Without them, what the other published fields say is
compared: the accuracies, the counts behind the shares, and the sentences that were resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError, MissingInput
from augury.targets.rollout_counts import counts_of_shares
from augury.targets.rollout_importance import Similarity, from_rollouts, prefix_cut
from augury.traces.chunks import cut_everywhere
from augury.traces.sources.math_rollouts import (
    ESTIMATORS,
    Rollout,
    RolloutProblem,
    read_resampled,
    read_rollouts,
)
from augury.traces.sources.rollout_files import RolloutFiles

__all__ = [
    "Agreement",
    "agreement_lines",
    "merged",
    "published_agreement",
    "resampled_agreement",
    "rollout_agreement",
]

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Agreement:
    """One published value against the same value from its parts."""

    value: str
    how: str
    """What it was compared with."""

    compared: int
    agreeing: int
    largest: float
    """Largest difference among all that were compared."""

    why: str = ""
    """What explains the others, or what could not be compared."""


def published_agreement(problems: Sequence[RolloutProblem]) -> list[Agreement]:
    """Compare published fields with each other, over all problems."""
    resampling, ratio, empty, repeated = [], [], [], 0
    forced = []
    for problem in problems:
        accuracy, different, overdetermined, counterfactual, told, answers = _columns(problem)
        resampling += list(told[:-1] - np.diff(accuracy))
        counts = counts_of_shares(accuracy, different, overdetermined, counterfactual)
        some = counts.different[:-1] > 0
        share = (counterfactual[:-1] + accuracy[1:])[some]
        total = counts.different[:-1][some]
        ratio += list(share - np.rint(share * total) / total)
        empty += list(counterfactual[:-1][counts.different[:-1] == 0])
        forced += list(np.cumsum(answers)[:-1])
        texts = [chunk.text for chunk in problem.chunks]
        repeated += sum(cut_everywhere(texts, n) for n in range(len(texts)))
    return [
        _row("resampling importance", "accuracy of the next sentence - own", resampling),
        _row(
            "counterfactual importance",
            "k of m different rollouts - accuracy of the next sentence, k whole",
            ratio,
        ),
        _row("counterfactual importance", "0 where no rollout differs", empty),
        Agreement(
            "forced importance",
            "sums stay in [-1, 1]; its accuracies are not published",
            len(forced),
            sum(bool(abs(total) <= 1 + _SAME) for total in forced),
            max(0.0, max(map(abs, forced)) - 1),
        ),
        Agreement(
            "prefix of the rollouts",
            "cut at the sentence, not at every earlier text that reads alike",
            (n := sum(len(problem.chunks) for problem in problems)),
            n - repeated,
            0.0,
            f"{repeated} sentences stand in earlier text too, which their rollouts were not shown",
        ),
    ]


def resampled_agreement(files: RolloutFiles, problems: Sequence[RolloutProblem]) -> list[Agreement]:
    """Compare the published spread of resampled sentences with those sentences, where kept."""
    exact, bounded, outside, ends = [], 0, 0, 0
    for problem in problems:
        try:
            kept = read_resampled(files, problem.id)
        except MissingInput:
            continue
        columns = _columns(problem)
        rollouts = counts_of_shares(*columns[:4]).rollouts
        last = len(problem.chunks) - 1
        for number, sentences in kept.items():
            if number == last:
                ends += 1
                continue
            told, distinct = columns[2][number], len(set(sentences))
            if rollouts[number] == len(sentences):
                exact.append(told - (1 - distinct / len(sentences)))
                continue
            # Rollouts without an answer do not count, and which they are is not published.
            left_out = len(sentences) - rollouts[number]
            low, high = max(1, distinct - left_out), min(distinct, rollouts[number])
            whole = (1 - told) * rollouts[number]
            bounded += 1
            outside += not low - 1e-6 <= whole <= high + 1e-6
    if not exact and not bounded:
        return []
    return [
        _row("overdeterminedness", "distinct resampled sentences, all rollouts answered", exact),
        Agreement(
            "overdeterminedness",
            "within what unanswered rollouts leave open",
            bounded,
            bounded - outside,
            0.0,
            f"left out: {ends} last sentence(s), published as 0 whatever was resampled",
        ),
    ]


def rollout_agreement(
    files: RolloutFiles,
    problem: RolloutProblem,
    *,
    similar: Similarity | None = None,
    threshold: float = 0.8,
    forced: RolloutFiles | None = None,
) -> list[Agreement]:
    """Compute importances of one problem from its rollouts and compare them.

    Args:
        files: Its setting.
        problem: As read.
        similar: How alike two sentences are, for the counterfactual importance.
        threshold: Sentences less alike than this mean different things.
        forced: The setting whose rollouts had to answer at once.

    Raises:
        MissingInput: No rollouts were kept.
        DataError: A file of rollouts is malformed, or another sentence was removed.
    """
    rollouts = _rollouts(files, problem)
    found = from_rollouts(rollouts, similar, threshold=threshold)
    columns = _columns(problem)
    rows = [
        _row("accuracy", "rollouts", columns[0] - found.accuracy),
        _row("resampling importance", "rollouts", columns[4] - found.resampling),
        _row("overdeterminedness", "rollouts", columns[2] - found.overdetermined),
    ]
    if similar is not None:
        rows += [
            _row("different rollouts", "rollouts, compared", columns[1] - found.different),
            _row("counterfactual importance", "rollouts", columns[3] - found.counterfactual),
        ]
    if forced is not None:
        again = from_rollouts(_rollouts(forced, problem)).resampling
        rows.append(_row("forced importance", "forced rollouts", columns[5] - again))
    texts = [chunk.text for chunk in problem.chunks]
    cuts = [
        prefix_cut(r, texts, n, problem.prompt)
        for n, each in enumerate(rollouts)
        for r in each
        if r.removed
    ]
    why = ", ".join(f"{cuts.count(c)} cut {c}" for c in ("everywhere", "elsewhere") if c in cuts)
    right = cuts.count("right")
    rows.append(Agreement("prefix of the rollouts", "text before it", len(cuts), right, 0.0, why))
    return rows


def merged(rows: Sequence[Agreement]) -> list[Agreement]:
    """The same comparisons over several problems as one row each."""
    found: dict[tuple[str, str], Agreement] = {}
    for row in rows:
        before = found.get((row.value, row.how))
        if before is None:
            found[row.value, row.how] = row
            continue
        found[row.value, row.how] = Agreement(
            row.value,
            row.how,
            before.compared + row.compared,
            before.agreeing + row.agreeing,
            max(before.largest, row.largest),
            "; ".join(dict.fromkeys(why for why in (before.why, row.why) if why)),
        )
    return list(found.values())


def agreement_lines(rows: Sequence[Agreement]) -> list[str]:
    """One line per comparison, for a terminal."""
    from augury.report.text_table import text_table

    columns = ("value", "compared with", "compared", "agree", "largest difference", "why not all")
    return text_table(
        columns,
        [(r.value, r.how, r.compared, r.agreeing, r.largest, r.why or None) for r in rows],
    )


def _rollouts(files: RolloutFiles, problem: RolloutProblem) -> list[list[Rollout]]:
    found: list[list[Rollout]] = []
    for number, chunk in enumerate(problem.chunks):
        try:
            found.append(read_rollouts(files, problem.id, number))
        except MissingInput:
            found.append([])
            continue
        made = [r for r in found[-1] if r.prefix or r.removed]
        wrong = [r.removed for r in made if r.removed.strip() != chunk.text]
        if wrong:
            raise DataError(
                f"problem {problem.id}, rollouts of sentence {number}: chunk_removed",
                found=repr(wrong[0][:60]),
                expected=repr(chunk.text[:60]),
            )
    if not any(found):
        raise MissingInput(
            f"problem {problem.id}",
            found="no chunk_<i>/solutions.json",
            expected="rollouts to compute importances from",
        )
    return found


def _columns(problem: RolloutProblem) -> tuple[np.ndarray, ...]:
    """Accuracy, different, overdetermined, counterfactual, resampling, forced; [sentence]."""
    chunks = problem.chunks
    counterfactual, resampling, forced = (
        np.array([chunk.importance[name] for chunk in chunks]) for name in ESTIMATORS
    )
    return (
        np.array([chunk.accuracy for chunk in chunks]),
        np.array([chunk.different for chunk in chunks]),
        np.array([chunk.overdetermined for chunk in chunks]),
        counterfactual,
        resampling,
        forced,
    )


def _row(value: str, how: str, differences: Sequence[float] | np.ndarray) -> Agreement:
    size = np.abs(np.asarray(differences, dtype=np.float64))
    known = size[np.isfinite(size)]
    missing = len(size) - len(known)
    return Agreement(
        value,
        how,
        len(known),
        int((known <= _SAME).sum()),
        float(known.max(initial=0.0)),
        f"{missing} without rollouts" if missing else "",
    )
