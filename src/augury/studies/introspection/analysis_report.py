"""The report of the analyses: an answer to every question, its evidence, its limits."""

from __future__ import annotations

from collections.abc import Sequence

from augury.report.blocks import Block, Bullets, Callout, FigureRef, Paragraph, Section, Table
from augury.report.tables import CellValue
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.analysis_figures import analysis_figures
from augury.studies.introspection.findings import Findings
from augury.studies.introspection.questions import TARGETS, Questions
from augury.studies.introspection.verdicts import (
    Answer,
    answer_causal,
    answer_fine_tuning,
    answer_layers,
    answer_self,
    answer_surface,
    answer_transfer,
    chosen_probe,
    chosen_transfer,
)

__all__ = ["QUESTIONS", "analysis_sections", "answers_of", "verdict_lines"]

QUESTIONS = {
    "layers": "Where is it readable how sure the model is?",
    "surface": "Does the surface of the question tell it as well?",
    "transfer": "Does the direction of high confidence carry over between passes?",
    "self": "Is self-confidence about the model itself?",
    "causal": "Does the direction of high confidence make the stated confidence?",
    "fine-tuning": "What does fine-tuning change?",
}

_HEADLINES = ("entropy", "correct", "self_confidence")


def answers_of(found: Findings, models: Sequence[str], alpha: float) -> list[Answer]:
    """Every answer about these models, question by question."""
    chosen = [
        probe
        for model in models
        for target in TARGETS
        if (probe := chosen_probe(found.probes, model, target)) is not None
    ]
    out = [answer_layers(probe, alpha) for probe in chosen]
    out += [answer_surface(probe) for probe in chosen]
    pairs = dict.fromkeys(
        (one.source, one.target) for one in found.transfers if one.source != one.target
    )
    transfers = [chosen_transfer(found.transfers, *pair) for pair in pairs]
    out += [answer_transfer(one, alpha) for one in transfers if one is not None]
    out += [answer_self(one, alpha / len(found.self_other)) for one in found.self_other]
    out += [answer_causal(one) for one in found.causal]
    both = {"base", "adapter"} <= set(models)
    return [*out, answer_fine_tuning(found.calibration, alpha)] if both else out


def verdict_lines(answers: Sequence[Answer]) -> list[str]:
    """One line per question, with its answers for each model."""
    lines = []
    for question, asked in QUESTIONS.items():
        own = [one for one in answers if one.question == question and _is_headline(one)]
        if own:
            told = "; ".join(f"{one.about}: {one.answer}" for one in own)
            lines.append(f"{asked} {told}")
    return lines


def _is_headline(answer: Answer) -> bool:
    if answer.question in ("layers", "surface"):
        return answer.about.split(", ")[1] in _HEADLINES
    if answer.question == "transfer":
        return answer.about.endswith("/self") and "/mcq to" in answer.about
    return True


def analysis_sections(
    found: Findings, questions: Questions, config: AnalysisConfig
) -> list[Section]:
    """A section for every question that could be asked, and one of limits; figures are saved."""
    drawn = list(analysis_figures(found, config.alpha))
    answers = answers_of(found, questions.collected.models, config.alpha)
    sections = [_limits(found, questions)]
    for question, asked in QUESTIONS.items():
        own = [one for one in answers if one.question == question]
        if not own:
            continue
        blocks: list[Block] = [Paragraph(_NOTES[question]), *_answers(question, own)]
        blocks += [FigureRef(one.name, one.alt) for one in drawn if one.section == question]
        blocks += _tables(question, found, config.alpha)
        sections.append(Section(asked, blocks))
    return sections


def _answers(question: str, own: Sequence[Answer]) -> list[Block]:
    """Each answer with its evidence, where no table has it."""
    if question == "transfer":
        return []
    return [Callout("verdict", "Answers", tuple(f"{a.about}: {a.answer}. {a.why}." for a in own))]


_NOTES = {
    "layers": "One ridge probe per model, pass, token, site and target, all judged as one grid. "
    "Entropy is very skewed, so everything is about ranks. The rank correlation of correctness "
    "is a linear function of its AUROC.",
    "surface": "`surface`: lengths, word rarity, negation, ambiguity and the kind of question. "
    "`words`: TF-IDF of the question. `own entropy`, for correctness: the model's own answer "
    "distribution. `symbols`, for confidences: what each letter stands for in this question, which "
    "is what a model states by that likes a letter and knows nothing.",
    "transfer": "A direction is the difference of mean states of the surest and the least sure "
    "quarter of the training questions, as it is or in whitened coordinates, or a ridge "
    "regression; what symbols tell of a stated confidence is taken out first. Cosines: of halves "
    "of the questions that share none, beside the ceiling that "
    "the directions' own repeatability sets.",
    "self": "Partial rank correlations over all questions; nothing is fitted. A question that "
    "looks hard to anybody lowers both confidences, so only what goes beyond the confidence in "
    "others is about the model.",
    "causal": "All edits are made at the confidence position alone. Causal needs patching, adding "
    "and erasing to move the stated confidence as they should, beyond zero and beyond their "
    "controls, at a bearable cost.",
    "fine-tuning": "Stated self-confidence against the model's own right answers, on the same "
    "questions. p values exchange the two models question by question.",
}


def _tables(question: str, found: Findings, alpha: float) -> list[Block]:
    made: dict[str, list[Table]] = {
        "layers": [_emergence(found, alpha)],
        "transfer": [_transfers(found, alpha), _cosines(found)],
        "self": [_partial(found)],
        "causal": [_sites(found)],
        "fine-tuning": [_calibration(found)],
    }
    return [table for table in made.get(question, []) if table.rows]


def _emergence(found: Findings, alpha: float) -> Table:
    rows: list[tuple[CellValue, ...]] = []
    for key in dict.fromkeys(
        (o.place.model, o.place.pass_, o.place.position, o.target) for o in found.probes
    ):
        own = [
            o
            for o in found.probes
            if (o.place.model, o.place.pass_, o.place.position, o.target) == key
        ]
        sure = [o for o in own if o.p_corrected is not None and o.p_corrected <= alpha]
        if not sure:
            continue
        best = max(own, key=lambda one: one.validation)
        near = next(o for o in own if o.validation >= 0.9 * best.validation)
        rows.append((*key, sure[0].place.site, near.place.site, best.place.site, best.spearman))
    columns = (
        "model",
        "pass",
        "token",
        "target",
        "first readable",
        "90 % of best",
        "best",
        "there",
    )
    return Table(
        columns,
        tuple(rows),
        caption="Where a signal comes up: the first site with a corrected p of at most "
        f"{alpha:g}; the first that reaches nine tenths of the best on validation; the best, and "
        "its rank correlation on test. What is readable nowhere is left out.",
    )


def _cosines(found: Findings) -> Table:
    kept = [one for one in found.agreements if one.ceiling >= 0.1]
    rows = tuple(
        (
            "/".join(one.left),
            "/".join(one.right),
            one.site,
            one.kind,
            one.cosine,
            one.crossed,
            one.ceiling,
            one.corrected,
        )
        for one in kept
    )
    columns = ("one", "other", "site", "kind", "cosine", "of halves", "ceiling", "over ceiling")
    return Table(columns, rows, caption="Directions that repeat at all (ceiling at least 0.1).")


def _partial(found: Findings) -> Table:
    named = (
        ("self_alone", "self-confidence"),
        ("other_alone", "confidence in others"),
        ("beyond_other", "self, beyond others"),
        ("beyond_surface", "self, beyond others and the surface"),
        ("other_beyond_self", "others, beyond self"),
    )
    rows: list[tuple[CellValue, ...]] = []
    for model in found.self_other:
        for field, name in named:
            one = getattr(model, field)
            ends = (one.interval.low, one.interval.high) if one.interval else (None, None)
            rows.append((model.model, name, one.value, *ends, one.p, one.rows))
    return Table(
        ("model", "rank correlation with certainty", "value", "low", "high", "p", "questions"),
        tuple(rows),
    )


def _sites(found: Findings) -> Table:
    rows: list[tuple[CellValue, ...]] = []
    for result in found.causal:
        patched = {one.site: one for one in result.patching.sites}
        steered = {one.site: one for one in result.steering.sites}
        for one in result.conclusions:
            patch, steer = patched.get(one.site), steered[one.site]
            told: list[CellValue] = [result.model, one.site, one.readable]
            told += [patch.effect, _largest(patch.p_zero, patch.p_random)] if patch else [None] * 2
            for effect in (steer.added, steer.erased):
                told += (
                    [effect.effect, _largest(effect.p_zero, effect.p_random, effect.p_orthogonal)]
                    if effect
                    else [None, None]
                )
            rows.append((*told, one.verdict))
    columns = ("model", "site", "readable", "patch", "p", "add", "p ", "erase", "p  ", "verdict")
    return Table(
        columns,
        tuple(rows),
        caption="Changes of the expected confidence in points. p: the largest of those "
        "against zero and against random and state-like draws, each corrected for all sites.",
    )


def _largest(*ps: float | None) -> float | None:
    return None if None in ps else max(p for p in ps if p is not None)


def _transfers(found: Findings, alpha: float) -> Table:
    rows: list[tuple[CellValue, ...]] = []
    for pair in dict.fromkeys((one.source, one.target) for one in found.transfers):
        one = chosen_transfer(found.transfers, *pair)
        if one is None or one.source == one.target:
            continue
        ends = one.interval or (None, None)
        rows.append(
            (
                "/".join(one.source),
                "/".join(one.target),
                one.site,
                one.kind,
                one.spearman,
                *ends,
                one.random_high,
                one.p_corrected,
                answer_transfer(one, alpha).answer,
            )
        )
    columns = ("from", "to", "site", "kind", "rank corr.", "low", "high", "random", "p", "answer")
    return Table(
        columns,
        tuple(rows),
        caption="Site and kind of direction chosen on validation, numbers on test. random: what "
        "95 % of random mixtures of states stay below. p: corrected for all passes, sites and "
        "kinds.",
    )


def _calibration(found: Findings) -> Table:
    own = found.calibration
    measures = list(next(iter(own.models.values())).values) if own.models else []
    rows: list[tuple[CellValue, ...]] = []
    for name in measures:
        told: list[CellValue] = [name]
        for model in own.models.values():
            held = model.intervals[name]
            told += [model.values[name], f"{held.low:.3f} to {held.high:.3f}" if held else None]
        if own.differences:
            one = own.differences[name]
            ends = f"{one.interval.low:+.3f} to {one.interval.high:+.3f}" if one.interval else None
            told += [one.value, ends, one.p_corrected]
        rows.append(tuple(told))
    columns = ["measure"]
    for model_name in own.models:
        columns += [model_name, f"95 %, {model_name}"]
    columns += ["difference", "95 %, difference", "p"] if own.differences else []
    perfect = ", ".join(f"{name} {one.perfect_error:.3f}" for name, one in own.models.items())
    return Table(
        tuple(columns),
        tuple(rows),
        caption="Calibration error and Brier: lower is better. tracking: rank correlation of the "
        "stated confidence with minus the entropy of the answer. Were every stated confidence "
        f"exactly true, chance would leave a calibration error of {perfect}.",
    )


def _limits(found: Findings, questions: Questions) -> Section:
    collected = questions.collected
    count = [int(questions.on(side).sum()) for side in (0, 1, 2)]
    lines = [
        f"{len(questions)} questions of different text: {count[0]} to fit on, {count[1]} to choose "
        f"on, {count[2]} to test on. Of questions with the same text one is kept.",
    ]
    for model in collected.models:
        for pass_ in collected.passes:
            share = questions.on_options(model, pass_)
            if not questions.answered(model, pass_):
                lines.append(
                    f"{model}, pass {pass_}: only {share:.0%} of the answers lie on the options; "
                    "what they hold is no answer, and is not analysed."
                )
            elif share < 0.95:
                lines.append(f"{model}, pass {pass_}: {share:.0%} of the answers are on options.")
    if not found.causal:
        lines.append("Nothing was patched or steered; what is readable may be of no use.")
    lines.append(
        "At the final token of the answer, late sites hold the answer's logits, and so its "
        "entropy and margin: that these are readable there is arithmetic."
    )
    return Section(
        "What the analyses can and cannot show",
        [Callout("caution", "Limits", tuple(lines)), Bullets(_MEANINGS)],
    )


_MEANINGS = (
    "entropy: of the answer over the options, in nats; margin: logit of the right option less "
    "that of the best other; self and other confidence: expected, in per cent.",
    "Passes: mcq answers the question; self states how sure the model is to be right; other "
    "states how many people would be.",
)
