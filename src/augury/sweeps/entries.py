"""Entry: a line of a leaderboard: one config on one question, averaged over its replicates.

A run may hold many predictors of one question (sites, kinds of probe). The one that was best on
validation stands for the config; what the others did on test is never looked at. Configs that
differ in what a question does not depend on, such as the pooling of states for a predictor that
sees none, have the same scores in every group: they are one entry, without these axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from augury.evaluate.intervals import Interval, group_draws, interval
from augury.evaluate.standing import GroupValues, Standing
from augury.plain import fingerprint
from augury.sweeps.configs import Member
from augury.sweeps.spec import Setting

__all__ = ["Entry", "entries_of", "mean_interval", "mean_of", "paired"]

_DRAWS = 2000


@dataclass(frozen=True)
class Entry:
    """One config on one question."""

    setting: Setting
    """Without the axes that repeat it, and those that the question does not depend on."""

    members: tuple[Member, ...]
    """The config, once per replicate that is done."""

    standing: Standing
    """Of its predictor; by group, the mean over replicates."""

    by_replicate: tuple[float, ...]
    """Test score of each replicate."""

    tripped: tuple[str, ...]
    """Tripwires that were touched."""

    @property
    def validation(self) -> float | None:
        """Mean over validation groups: what everything is ordered and chosen by."""
        return mean_of(self.standing.validation)

    @property
    def lead(self) -> GroupValues:
        """By group, test score less that of the strongest predictor without states."""
        return paired(self.standing.test, self.standing.baseline_test)


def entries_of(
    members: Sequence[Member],
    standings: Mapping[str, Sequence[Standing]],
    *,
    replicates: Sequence[str],
    tripped: Mapping[str, Sequence[str]],
) -> list[Entry]:
    """One entry per config and league, leagues and configs in the order in which they come.

    Of configs with the same scores in every group the first one stands for all.

    Args:
        members: Configs that are done.
        standings: By id of the run.
        replicates: Axes that repeat a config.
        tripped: Touched tripwires, by id of the run.
    """
    alike: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for member in members:
        alike.setdefault(tuple(_without(member.setting, replicates).items()), []).append(member)
    found = []
    for setting, same in alike.items():
        own = {member.id: _own(member, standings[member.run.id]) for member in same}
        for league in dict.fromkeys(each.league for of in own.values() for each in of):
            held = [m for m in same if any(s.league == league for s in own[m.id])]
            chosen = _chosen([[s for s in own[m.id] if s.league == league] for m in held])
            found.append(
                Entry(
                    setting=dict(setting),
                    members=tuple(held),
                    standing=_merged(chosen),
                    by_replicate=tuple(v for s in chosen if (v := mean_of(s.test)) is not None),
                    tripped=tuple(
                        dict.fromkeys(t for m in held for t in tripped.get(m.run.id, ()))
                    ),
                )
            )
    return _told_apart(found)


def mean_of(values: GroupValues) -> float | None:
    """Groups count alike; None without any."""
    return float(np.mean(list(values.values()))) if values else None


def mean_interval(values: GroupValues) -> Interval | None:
    """95 % interval of the mean, groups resampled; None under 10 groups."""
    own = np.array([values[name] for name in sorted(values)])
    if not len(own):
        return None
    draws = group_draws(len(own), _DRAWS, 0) @ own / len(own)
    return interval(float(own.mean()), draws, len(own))


def paired(left: GroupValues, right: GroupValues) -> GroupValues:
    """Difference on the groups that both have."""
    return {name: value - right[name] for name, value in left.items() if name in right}


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, those once that no score of any group tells apart."""
    alike: dict[str, list[Entry]] = {}
    for entry in entries:
        of = entry.standing
        scores = [dict(each) for each in (of.validation, of.test, of.baseline_test)]
        alike.setdefault(fingerprint([of.league, of.predictor, scores]), []).append(entry)
    found = []
    for first, *others in alike.values():
        common = {
            axis: label
            for axis, label in first.setting.items()
            if all(other.setting.get(axis) == label for other in others)
        }
        tripped = dict.fromkeys(wire for entry in (first, *others) for wire in entry.tripped)
        found.append(replace(first, setting=common, tripped=tuple(tripped)))
    return found


def _own(member: Member, standings: Sequence[Standing]) -> list[Standing]:
    """Those of its run that are about its sites, or about none in particular."""
    if not member.sites:
        return list(standings)
    return [each for each in standings if each.site is None or each.site in member.sites]


def _without(setting: Setting, names: Sequence[str]) -> Setting:
    return {name: label for name, label in setting.items() if name not in names}


def _chosen(replicates: Sequence[Sequence[Standing]]) -> list[Standing]:
    """The same predictor of every replicate: the one with the best mean on validation."""
    common = [
        standing.predictor
        for standing in replicates[0]
        if all(any(s.predictor == standing.predictor for s in other) for other in replicates)
    ]
    by_name = [{standing.predictor: standing for standing in one} for one in replicates]

    def quality(predictor: str) -> float:
        known = [mean_of(one[predictor].validation) for one in by_name]
        values = [value for value in known if value is not None]
        return float(np.mean(values)) if values else -np.inf

    best = max(common, key=quality)
    return [one[best] for one in by_name]


def _merged(standings: Sequence[Standing]) -> Standing:
    first = standings[0]
    verdicts = dict.fromkeys(standing.verdict for standing in standings)
    return replace(
        first,
        validation=_average([standing.validation for standing in standings]),
        test=_average([standing.test for standing in standings]),
        baseline_test=_average([standing.baseline_test for standing in standings]),
        verdict=" / ".join(verdicts),
    )


def _average(values: Sequence[GroupValues]) -> GroupValues:
    names = dict.fromkeys(name for each in values for name in each)
    return {name: float(np.mean([each[name] for each in values if name in each])) for name in names}
