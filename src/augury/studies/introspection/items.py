"""The items: one row per question with all that is known of it in one pass of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import xxhash

from augury.plain import json_text
from augury.studies.introspection.answers import Answers
from augury.studies.introspection.config import (
    LETTERS,
    POSITIONS,
    IntrospectionConfig,
    PassName,
)
from augury.studies.introspection.gather import Question
from augury.studies.introspection.prompts import AskedPrompt
from augury.targets.confidence import choices, expected_confidence, logit_margin

__all__ = ["PROMPT_TYPES", "SYMBOL_POSITION", "make_items"]

PROMPT_TYPES = {"mcq": "mcq", "self": "self_confidence", "other": "other_confidence"}
"""The first version's names of the passes."""

SYMBOL_POSITION = {
    "mcq": "answer_token_index",
    "self": "confidence_token_index",
    "other": "confidence_token_index",
}

Decode = Callable[[Sequence[int]], str]


def make_items(
    questions: Sequence[Question],
    prompts: Sequence[AskedPrompt],
    answers: Answers,
    pass_: PassName,
    facts: dict[str, str],
    config: IntrospectionConfig,
    decode: Decode,
) -> pl.DataFrame:
    """The table of one pass of one model.

    Args:
        questions: In the order of the rows.
        prompts: Of this pass.
        answers: Of this model and pass.
        pass_: Which.
        facts: What is the same in every row: model, checkpoint, template, data.
        config: Of the run.
        decode: Text of ids, special tokens kept.

    Returns:
        `logits` and `probs` are in the order of the options: of answers as shown, of confidence
        from the lowest bin up. Probabilities are shares, confidence is in percent, entropies are
        in nats.
    """
    said = choices(answers.variants, answers.normaliser)
    letters = [prompt.symbols for prompt in prompts]
    chosen = said.probs.argmax(axis=1)
    parsed = [letters[row][option] for row, option in enumerate(chosen)]
    columns: dict[str, Any] = {
        **_of_questions(questions),
        **{name: [value] * len(questions) for name, value in facts.items()},
        **_of_prompts(prompts, pass_, decode),
        "temperature": [0.0] * len(questions),
        "top_p": [1.0] * len(questions),
        "max_new_tokens": [1] * len(questions),
        "output_text": [decode([int(token)]) for token in answers.top],
        "parsed_answer": parsed,
        "symbols": letters,
        "logits": said.logits.tolist(),
        "probs": said.probs.tolist(),
        "entropy": said.entropy,
        "option_mass": said.option_mass,
        "full_entropy": answers.full_entropy,
        "gated": said.option_mass < config.gate.least_mass,
    }
    if pass_ == "mcq":
        correct = np.array([question.correct for question in questions])
        columns |= {
            "is_correct": chosen == correct,
            "logit_margin": logit_margin(said.logits, correct),
        }
    else:
        columns |= {
            "confidence_bin": chosen,
            f"{pass_}_confidence": expected_confidence(said.probs),
        }
    return pl.DataFrame(columns)


def _of_questions(questions: Sequence[Question]) -> dict[str, Any]:
    looks = [question.surface for question in questions]
    return {
        "question_id": [question.id for question in questions],
        "group": [question.group for question in questions],
        "split": [question.split for question in questions],
        "question_text": [question.text for question in questions],
        "options": [
            json_text(dict(zip(LETTERS, question.options, strict=True))) for question in questions
        ],
        "options_order": [list(question.shown) for question in questions],
        "correct_answer_letter": [LETTERS[question.correct] for question in questions],
        "correct_option": [question.correct for question in questions],
        **{
            name: [getattr(look, name) for look in looks]
            for name in (
                "char_length",
                "question_type",
                "has_negation",
                "has_ambiguity",
                "rarity_mean",
                "rarity_max",
            )
        },
    }


def _of_prompts(prompts: Sequence[AskedPrompt], pass_: PassName, decode: Decode) -> dict[str, Any]:
    places = np.array([prompt.positions for prompt in prompts])
    return {
        "prompt_type": [PROMPT_TYPES[pass_]] * len(prompts),
        "prompt_text": [prompt.trace.prompt for prompt in prompts],
        "prompt_ids_hash": [
            xxhash.xxh3_128_hexdigest(np.ascontiguousarray(prompt.tokens.ids, np.int32).tobytes())
            for prompt in prompts
        ],
        "token_length": [_question_tokens(prompt) for prompt in prompts],
        "prompt_tokens": [len(prompt.tokens) for prompt in prompts],
        SYMBOL_POSITION[pass_]: places[:, -1],
        **{f"{name}_index": places[:, at] for at, name in enumerate(POSITIONS)},
        **{
            f"{name}_token": [
                decode([int(prompt.tokens.ids[prompt.positions[at]])]) for prompt in prompts
            ]
            for at, name in enumerate(POSITIONS)
        },
    }


def _question_tokens(prompt: AskedPrompt) -> int:
    """Tokens of the question's own text."""
    end = int(prompt.tokens.ends[prompt.positions[0]])
    start = prompt.question_start
    return int(np.count_nonzero((prompt.tokens.ends > start) & (prompt.tokens.ends <= end)))
