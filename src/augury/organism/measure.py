"""Measure the embedded model on held-out problems: does it live by its own world's rules?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from augury.models.generate import Sampling
from augury.models.load import LoadedModel
from augury.organism.chains import SLIP, held_out_problems, sample_chains
from augury.organism.truth import AGES, age_bucket, open_slip_age
from augury.targets.events import token_events
from augury.traces.align import place_spans
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

__all__ = ["REQUIRED", "Measured", "measure_organism"]

REQUIRED = {
    "accuracy": (0.60, 1.0),
    "backtracking_chains": (0.25, 0.70),
    "backtracks_after_slip": (2 / 3, 1.0),
    "slip_rate_ratio": (5.0, float("inf")),
    "grammatical": (0.95, 1.0),
    "text_over_oracle_4": (0.0, 0.5),
    "text_over_oracle_8": (0.0, 0.5),
}
"""Figure to the range that a shipped model must keep to."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the embedded model does, at temperature 1."""

    chains: int
    accuracy: float
    """Share of chains whose final answer is right."""
    backtracking_chains: float
    """Share of chains with at least one backtrack."""
    backtracks_after_slip: float
    """Share of backtracks that follow an uncorrected slip of the model's own."""
    slip_rate_ratio: float
    """Backtracks per sentence while a slip is open, over backtracks per sentence otherwise."""
    grammatical: float
    """Share of chains that the grammar reads whole."""
    slips_noticed: float
    """Share of slips that were corrected later."""
    delay_quartiles: tuple[float, float, float]
    """Tokens between a slip and the onset of the backtrack that follows it."""
    average_precision: dict[str, dict[str, float]] = field(default_factory=dict)
    """Horizon to prevalence, `text` (last three tokens) and `oracle` (the same, and told how long
    ago an uncorrected slip happened)."""

    def figures(self) -> dict[str, float]:
        """The figures named in `REQUIRED`."""
        out = {k: v for k, v in asdict(self).items() if k in REQUIRED}
        for horizon, scores in self.average_precision.items():
            out[f"text_over_oracle_{horizon}"] = scores["text"] / scores["oracle"]
        return out

    def failures(self) -> list[str]:
        """Figures outside what is required, as lines; empty when the model may be shipped."""
        ranges = ((name, value, *REQUIRED[name]) for name, value in self.figures().items())
        return [
            f"{name}: found {value:.3f}; expected {low:.3g} to {high:.3g}"
            for name, value, low, high in ranges
            if not low <= value <= high
        ]


def measure_organism(loaded: LoadedModel, *, chains: int = 2000, seed: int = 17) -> Measured:
    """Sample `chains` held-out problems at temperature 1 and measure."""
    settings = Sampling(temperature=1.0, max_new_tokens=400, seed=seed)
    traces = sample_chains(loaded, held_out_problems(chains, seed), settings)
    tokens = [_Tokens(trace, tokenise(trace, loaded.tokenizer)) for trace in traces]
    onsets = sum(int(t.onset.sum()) for t in tokens)
    after_slip = sum(int((t.onset & t.open_before).sum()) for t in tokens)
    sentences_open = sum(t.sentences_open for t in tokens)
    sentences_shut = sum(t.sentences_shut for t in tokens)
    rate_open = after_slip / max(1, sentences_open)
    rate_shut = max(1, onsets - after_slip) / max(1, sentences_shut)
    slips = [s for t in traces for s in t.spans if s.label == SLIP]
    delays = np.concatenate([t.delays for t in tokens])
    low, middle, high = np.quantile(delays, (0.25, 0.5, 0.75)) if len(delays) else (0, 0, 0)
    return Measured(
        chains=chains,
        accuracy=float(np.mean([bool(t.fields["correct"]) for t in traces])),
        backtracking_chains=float(np.mean([t.onset.any() for t in tokens])),
        backtracks_after_slip=after_slip / max(1, onsets),
        slip_rate_ratio=rate_open / rate_shut,
        grammatical=float(np.mean([bool(t.fields["grammatical"]) for t in traces])),
        slips_noticed=float(np.mean([s.source.endswith(":noticed") for s in slips])),
        delay_quartiles=(float(low), float(middle), float(high)),
        average_precision={str(h): _text_and_oracle(tokens, h) for h in (4, 8)},
    )


class _Tokens:
    """One chain with the truth at every token."""

    def __init__(self, trace: Trace, tokenised: TokenisedTrace) -> None:
        placed = place_spans(trace, tokenised)
        self.ids = tokenised.ids
        self.first = tokenised.first_row
        self.onset = token_events(tokenised, placed, "backtracking").onset
        self.age = open_slip_age(tokenised, placed)
        before = np.concatenate([[-1], self.age[:-1]])
        self.open_before = self.onset & (before >= 0)
        delays = before[self.open_before]
        self.delays = delays.astype(float)
        starts = [p.first for p in placed if p.span.label not in (SLIP, "backtracking")]
        at_start = np.zeros(len(self.ids), bool)
        at_start[starts] = True
        at_start |= self.onset
        was_open = before >= 0
        self.sentences_open = int((at_start & was_open).sum())
        self.sentences_shut = int((at_start & ~was_open).sum())


def _text_and_oracle(chains: Sequence[_Tokens], horizon: int) -> dict[str, float]:
    """AP of the last three tokens, without and with the truth about slips, on the other half."""
    half = len(chains) // 2
    sides = [_features(chains[:half], horizon), _features(chains[half:], horizon)]
    out = {"prevalence": float(np.mean(np.concatenate([s[2] for s in sides])))}
    for name, columns in (("text", 0), ("oracle", 1)):
        scores = [
            LogisticRegression(C=0.3, max_iter=200)
            .fit(sides[1 - side][columns], sides[1 - side][2])
            .decision_function(sides[side][columns])
            for side in (0, 1)
        ]
        values = [average_precision_score(sides[s][2], scores[s]) for s in (0, 1)]
        out[name] = float(np.mean(values))
    return out


def _features(
    chains: Sequence[_Tokens], horizon: int
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, np.ndarray]:
    """One-hot last three tokens; the same, by whether a slip is open and how old it is; labels."""
    ids, ages, labels = [], [], []
    for chain in chains:
        at = np.arange(chain.first + 2, len(chain.ids) - horizon)
        ids.append(np.stack([chain.ids[at - back] for back in range(3)], axis=1))
        ages.append(chain.age[at])
        labels.append(chain.onset[at + horizon])
    token, age, label = np.concatenate(ids), np.concatenate(ages), np.concatenate(labels)
    vocabulary = 4096
    text = _one_hot(token + vocabulary * np.arange(3), 3 * vocabulary)
    bucket = age_bucket(age)[:, None]
    crossed = _one_hot(np.where(age[:, None] < 0, 0, token + 1), vocabulary + 1)
    truth = sparse.hstack([_one_hot(bucket, len(AGES) + 2), crossed])
    return text, sparse.csr_matrix(sparse.hstack([text, truth])), label


def _one_hot(columns: np.ndarray, width: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(columns)), columns.shape[1])
    ones = np.ones(columns.size, dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, columns.ravel())), shape=(len(columns), width))
