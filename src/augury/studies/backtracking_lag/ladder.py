"""The baselines of the study, and what only the grammar can know: no hidden state goes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from augury.activations.store import Store
from augury.organism.truth import AGES, age_bucket
from augury.probes.baselines import fit_baselines
from augury.probes.facts import TokenFacts, gather_facts
from augury.probes.own import expected_log_probability, triggers
from augury.probes.text_features import said_so_far
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.rows import RunRows, Target, slip_age
from augury.studies.crossing import Crossed
from augury.studies.own_logits import map_logits
from augury.studies.scores import Scores
from augury.traces.sentences import split_sentences

__all__ = ["baseline_facts", "score_baselines", "score_truth"]

_FINAL = "final"


def score_baselines(
    store: Store, rows: RunRows, target: Target, config: BacktrackingLagConfig, scores: Scores
) -> None:
    """Every rung that the data allows, fitted on the same splits or folds as the probes."""
    facts = baseline_facts(rows, target, config)
    own = _own_logprobs(store, rows, target, config)
    crossed: dict[str, Crossed] = {}
    for split, side in enumerate(rows.sides):
        known = facts if own is None else replace(facts, own_logprob=own[split])
        found = fit_baselines(
            known,
            target.labels,
            target.use,
            train=side == 0,
            validation=side == 1,
            seed=config.split.seed,
        )
        if not rows.crossed:
            scores.baselines |= {(target.label, name): array for name, array in found.items()}
            return
        for name, array in found.items():
            fresh = Crossed(target.labels, target.use, rows.sides)
            crossed.setdefault(name, fresh).add(split, array)
    for name, folds in crossed.items():
        folds.close()
        scores.baselines[target.label, name] = folds.scores


def baseline_facts(rows: RunRows, target: Target, config: BacktrackingLagConfig) -> TokenFacts:
    """What may be known of each row without its state: the text and the events before it."""
    categories = [str(rows.traces[p.trace_id].fields.get("category", "")) for p in rows.parts]
    starts = {key: [a for a, _ in split_sentences(t.text)] for key, t in rows.traces.items()}
    of_part = [starts[part.trace_id] for part in rows.parts]
    facts = gather_facts(
        rows.parts,
        (rows.part, rows.token),
        events=target.events,
        sentence_starts=of_part,
        horizons=config.targets.horizons,
        categories=categories if any(categories) else None,
    )
    said = said_so_far(
        rows.parts,
        (rows.part, rows.token),
        texts=[rows.traces[part.trace_id].text for part in rows.parts],
        sentence_starts=of_part,
    )
    return replace(facts, said=said)


def _own_logprobs(
    store: Store, rows: RunRows, target: Target, config: BacktrackingLagConfig
) -> np.ndarray | None:
    """Log of the model's own probability that an event starts next, float32 [split, row].

    From the stored final states, so that a new label needs no new reading; None without them, and
    where no event starts in the training rows of some split.
    """
    if _FINAL not in store.sites:
        return None
    ids = rows.gather([part.ids for part in rows.parts])
    onset = rows.gather([event.onset for event in target.events])
    known = [triggers(ids[side == 0], onset[side == 0]) for side in rows.sides]
    events = [each for each in known if each is not None]
    if len(events) < len(known):
        return None

    def said(logits: torch.Tensor) -> torch.Tensor:
        return torch.stack([expected_log_probability(logits, each) for each in events], dim=1)

    return map_logits(store, config.job.named_model, said).T


def score_truth(rows: RunRows, target: Target, scores: Scores) -> None:
    """The grammar's truth as a reference: the share of onsets by the age of an open slip."""
    age = slip_age(rows)
    if age is None:
        return
    bucket = age_bucket(age)
    told = np.zeros(target.labels.shape, dtype=np.float32)
    for side in rows.sides:
        scored = side == 2 if rows.crossed else np.ones(len(side), dtype=bool)
        for horizon, (label, use) in enumerate(zip(target.labels.T, target.use.T, strict=True)):
            fit = use & (side == 0)
            counts = np.bincount(bucket[fit], minlength=len(AGES) + 2)
            hits = np.bincount(bucket[fit & label], minlength=len(AGES) + 2)
            base = label[fit].mean() if fit.any() else 0.0
            told[scored, horizon] = ((hits + base) / (counts + 1))[bucket[scored]]
    scores.references[target.label, "truth about slips"] = told
