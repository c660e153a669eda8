"""Texts coloured by saved probes: read them with the model, score every token, make the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit

from augury.activations.batches import plan_batches
from augury.errors import DataError, MissingInput
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.read import read_rows
from augury.models.sites import parse_site
from augury.probes.bundle import LinearProbe, ProbeCard, load_bundle, refuse_other_model
from augury.report.token_view import Painted, TokenView, token_view
from augury.report.viewed import ViewedEvents, ViewedSeries, ViewedTrace
from augury.runs.paths import expand
from augury.targets.events import Events, token_events
from augury.targets.horizons import at_horizon
from augury.traces.align import place_spans
from augury.traces.context import fit_to_context
from augury.traces.encode import Bos
from augury.traces.sentences import split_sentences
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

__all__ = ["Probe", "pieces_of", "score_tokens", "sentence_tokens", "view"]

Probe = tuple[LinearProbe, ProbeCard]

_BATCH_TOKENS = 4096
_OUTLINED = "Outlined: where the target stands in the text."


def view(
    traces: Trace | str | Sequence[Trace | str],
    probes: Path | str | Sequence[Path | str | Probe],
    *,
    model: LoadedModel | None = None,
    context: int | None = None,
    bos: Bos = "auto",
    painted: Painted = "predicted",
    title: str = "What the probes say",
) -> TokenView:
    """Read texts with the probes' model, and colour every token by what the probes say.

    The result shows itself in a notebook; `.save(Path("view.html"))` writes the page. Events are
    outlined, and errors can be jumped to, where a trace has spans with the label of a probe.

    Args:
        traces: Texts; a plain string is a text without annotations.
        probes: Folders of saved probes of tokens (or of many: all below are taken), or pairs as
            `load_bundle` gives them.
        model: The model that they were fitted on; None loads the one that their cards name.
        context: Windows of so many tokens; the model's own context if not given. A text that was
            studied in shorter windows is to be read in those again.
        bos: Whether a window starts with the beginning-of-text token.
        painted: Which token a probability colours first: the one that is spoken about, or the one
            whose state was read. The reader may change it, and the page says which.
        title: First line of the page.

    Raises:
        MissingInput: No probe there, or no model of that name.
        ConfigError: A probe was fitted on another model.
        DataError: No text, or no probe with probabilities.
    """
    pairs = _ordered(_pairs(probes))
    texts = [traces] if isinstance(traces, Trace | str) else list(traces)
    named = [_trace(text, number) for number, text in enumerate(texts)]
    loaded = load_model(_named(pairs[0][1])) if model is None else model
    for _, card in pairs:
        where = f"probe {card.label!r} of {card.site}, horizon {card.horizon}"
        refuse_other_model(card, loaded.identity, where=where)
    viewed = []
    for trace in named:
        whole, scores = score_tokens(loaded, trace, pairs, context=context, bos=bos)
        viewed.append(_viewed(trace, whole, scores, [card for _, card in pairs]))
    return token_view(
        viewed,
        series=[_series(card) for _, card in pairs],
        title=title,
        caption=_OUTLINED if any(one.events for one in viewed) else "",
        quantity="probability",
        painted=painted,
        first=_first([card for _, card in pairs]),
    )


def score_tokens(
    loaded: LoadedModel,
    trace: Trace,
    probes: Sequence[Probe],
    *,
    context: int | None = None,
    bos: Bos = "auto",
) -> tuple[TokenisedTrace, np.ndarray]:
    """Tokens of a text, and the score of every probe at each: float32 [probe, token], NaN before.

    Args:
        loaded: Must hold every block that the probes read.
        trace: The text; only its completion is scored.
        probes: Of tokens.
        context: Windows of so many tokens, overlapping by half; the model's context if not given.
        bos: Whether a window starts with the beginning-of-text token.
    """
    whole = tokenise(trace, loaded.tokenizer, bos=bos)
    parts = fit_to_context(whole, context or loaded.context, overflow="window")
    sites = sorted({card.site for _, card in probes}, key=lambda site: parse_site(site).depth)
    first = [int(part.first_row) for part in parts]
    found: list[np.ndarray | None] = [None] * len(parts)
    for batch in plan_batches([len(part.ids) for part in parts], _BATCH_TOKENS):
        rows = [np.arange(first[n], len(parts[n].ids), dtype=np.int32) for n in batch]
        states = read_rows(loaded, [parts[n].ids for n in batch], rows, sites)
        cuts = np.cumsum([len(each) for each in rows])[:-1]
        scores = np.stack([probe.score(states[card.site]) for probe, card in probes])
        for number, piece in zip(batch, np.split(scores, cuts, axis=1), strict=True):
            found[number] = piece
    out = np.full((len(probes), len(whole.ids)), np.nan, dtype=np.float32)
    out[:, whole.first_row :] = np.concatenate([each for each in found if each is not None], axis=1)
    return whole, out


def pieces_of(text: str, part: TokenisedTrace) -> tuple[str, ...]:
    """The text of each token; one that adds no character of its own is empty."""
    ends = np.maximum.accumulate(part.ends)
    begins = np.concatenate([[0], ends[:-1]])
    return tuple(text[a:b] for a, b in zip(begins, ends, strict=True))


def sentence_tokens(text: str, part: TokenisedTrace) -> tuple[int, ...]:
    """Index of the first token of each sentence, ascending."""
    ends = np.maximum.accumulate(part.ends)
    begins = np.concatenate([[0], ends[:-1]])
    starts = [first for first, _ in split_sentences(text)]
    found: list[int] = np.unique(np.searchsorted(begins, starts, side="right") - 1).tolist()
    return tuple(found)


def _pairs(probes: Path | str | Sequence[Path | str | Probe]) -> list[Probe]:
    given = [probes] if isinstance(probes, Path | str) else list(probes)
    pairs: list[Probe] = []
    for one in given:
        if not isinstance(one, Path | str):
            pairs.append(one)
            continue
        folders = sorted(card.parent for card in Path(one).rglob("card.json"))
        if not folders:
            raise MissingInput(
                str(one), found="no saved probe", expected="a folder with card.json in or below it"
            )
        pairs += [load_bundle(folder) for folder in folders]
    known = [pair for pair in pairs if pair[1].calibration is not None]
    if not known:
        raise DataError(
            "probes",
            found=f"{len(pairs)} probes, none of them calibrated",
            expected="a probe whose scores can be turned into probabilities",
        )
    return known


def _ordered(pairs: Sequence[Probe]) -> list[Probe]:
    """As the sliders go: sites as the model computes them, then horizons."""
    return sorted(pairs, key=lambda p: (p[1].label, parse_site(p[1].site).depth, p[1].horizon))


def _first(cards: Sequence[ProbeCard]) -> int:
    """The nearest horizon ahead, if there is one, where validation found it best."""

    def rank(number: int) -> tuple[bool, int, float]:
        card = cards[number]
        quality = card.scores.get("val_average_precision")
        return card.horizon <= 0, abs(card.horizon), -(quality or 0.0)

    return min(range(len(cards)), key=rank)


def _trace(text: Trace | str, number: int) -> Trace:
    if isinstance(text, Trace):
        return text
    return Trace(f"text {number}", f"text {number}", prompt="", completion=text)


def _named(card: ProbeCard) -> ModelConfig:
    return ModelConfig(name=expand(card.model_name, "model.name"), revision=card.model_revision)


def _series(card: ProbeCard) -> ViewedSeries:
    threshold = None
    if card.threshold is not None:
        threshold = float(_probability(card, np.array([card.threshold]))[0])
    return ViewedSeries(card.site, card.horizon, threshold, card.label)


def _probability(card: ProbeCard, scores: np.ndarray) -> np.ndarray:
    if card.calibration is None:
        return np.full(len(scores), np.nan)
    slope, intercept = card.calibration.slope, card.calibration.intercept
    return np.asarray(expit(slope * scores.astype(np.float64) + intercept))


def _viewed(
    trace: Trace, whole: TokenisedTrace, scores: np.ndarray, cards: Sequence[ProbeCard]
) -> ViewedTrace:
    placed = place_spans(trace, whole)
    known = {span.label for span in trace.spans}
    events = {
        card.label: token_events(whole, placed, card.label) for card in cards if card.label in known
    }
    eligible = np.arange(len(whole.ids)) >= whole.first_row
    return ViewedTrace(
        trace.id,
        pieces_of(trace.text, whole),
        np.stack([_probability(card, row) for card, row in zip(cards, scores, strict=True)]),
        events={label: ViewedEvents(e.onset, e.inside) for label, e in events.items()},
        truth={
            (card.label, card.horizon): _truth(events[card.label], card, eligible)
            for card in cards
            if card.label in events
        },
        sentences=sentence_tokens(trace.text, whole),
    )


def _truth(events: Events, card: ProbeCard, eligible: np.ndarray) -> np.ndarray:
    asked = at_horizon(events, card.horizon, kind=card.target, eligible=eligible)  # type: ignore[arg-type]
    return np.where(asked.use, asked.label, -1).astype(np.int8)
