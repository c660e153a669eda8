"""Training text: one document per row, weights where they belong."""

from __future__ import annotations

import itertools
import random
import re

import numpy as np
import pytest
import torch

from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.organism.corpus import DECISION_WEIGHT, PROMPT_WEIGHT, Batch, single_rows
from augury.organism.muon import Muon
from augury.organism.othertext import checked_chain, drill
from augury.organism.reader import read_chain
from augury.organism.world import draw_problem
from augury.organism.writer import Chances, write_chain


@pytest.fixture(scope="module")
def organism() -> LoadedModel:
    return load_model(ModelConfig(name="organism"))


@pytest.fixture(scope="module")
def batches(organism: LoadedModel) -> list[Batch]:
    rows = single_rows(organism.tokenizer, random.Random(3), 2048, 1024, stage="closely checked")
    return list(itertools.islice(rows, 40))


def test_a_row_holds_one_document_and_a_batch_is_no_larger_than_asked(
    organism: LoadedModel, batches: list[Batch]
) -> None:
    tokenizer = organism.tokenizer
    for ids, weight in batches:
        assert ids.size <= 2048 and ids.shape == weight.shape
        for row, its_weight in zip(ids, weight, strict=True):
            real = row[row != tokenizer.pad_token_id]
            assert np.flatnonzero(real == tokenizer.bos_token_id).tolist() == [0]
            assert np.flatnonzero(real == tokenizer.eos_token_id).tolist() == [len(real) - 1]
            assert not its_weight[len(real) :].any() and its_weight[0] == 0


def test_the_same_seed_gives_the_same_rows(organism: LoadedModel, batches: list[Batch]) -> None:
    again = single_rows(organism.tokenizer, random.Random(3), 2048, 1024, stage="closely checked")
    for (ids, weight), (ids_again, weight_again) in zip(batches, again, strict=False):
        np.testing.assert_array_equal(ids, ids_again)
        np.testing.assert_array_equal(weight, weight_again)


def test_prompts_weigh_little_and_decisions_much(
    organism: LoadedModel, batches: list[Batch]
) -> None:
    tokenizer = organism.tokenizer
    start = tokenizer.convert_tokens_to_ids("<|assistant|>")
    seen = 0
    for ids, weight in batches:
        for row, its_weight in zip(ids, weight, strict=True):
            if start not in row:
                continue
            border = int(np.flatnonzero(row == start)[0])
            assert set(its_weight[1 : border + 1]) == {np.float32(PROMPT_WEIGHT)}
            for at in range(border + 1, len(row)):
                word, before = (tokenizer.decode([int(row[i])]) for i in (at, at - 1))
                decides = word.strip().isdigit() or before.strip().isdigit()
                decides |= before.endswith((".", "?", ":", "-", "\n"))
                if its_weight[at]:
                    assert its_weight[at] == (DECISION_WEIGHT if decides else 1.0)
                    seen += 1
    assert seen > 5000


def test_a_line_of_a_drill_is_wrong_exactly_if_one_of_its_results_is() -> None:
    signs = {"+": 1, "-": -1}
    lists = (
        drill(random.Random(seed), closely=bool(closely))
        for seed in range(16)
        for closely in (0, 1)
    )
    checked = 0
    for line in "\n".join(lists).splitlines():
        marked = line.removesuffix(".")
        parts = (
            [marked.split(": ")]
            if ":" in marked
            else [part.rsplit(" ", 1) for part in marked.split(". ")]
        )
        for said, mark in parts:
            words = [part.split() for part in said.split(". ")]
            if all(len(w) == 5 and w[1] in signs for w in words):
                right = all(int(a) + signs[o] * int(b) == int(c) for a, o, b, _, c in words)
                assert mark == ("right" if right else "wrong")
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("seed", range(20))
def test_marks_tell_whether_a_result_is_a_slip_and_whether_one_is_open(seed: int) -> None:
    rng = random.Random(seed)
    problem = draw_problem(rng)
    written = write_chain(rng, problem, Chances(slip=0.5))
    _, text = checked_chain(rng, problem, written, closely=True)
    assert re.sub(r" - (right|wrong)\.|(?<=\d) (right|wrong)\b", "", text) == written.text
    reading = read_chain(problem, written.text)
    wrong = {piece.slip for piece in written.pieces if piece.slip}
    at = shift = 0
    for found in re.finditer(r" - (right|wrong)\.|(?<=\d) (right|wrong)\b", text):
        at = found.start() - shift
        shift += len(found.group())
        if found.group(2):
            assert (found.group(2) == "wrong") == any(at == end for _, end in wrong)
        else:
            done = [p for p in reading.pieces if p.end <= at]
            after = [p.start for p in done if p.kind == "backtrack"]
            slips = [p for p in done if p.slip]
            open_now = any(not p.noticed or not any(a > p.start for a in after) for p in slips)
            assert (found.group(1) == "wrong") == open_now


def test_muon_steps_along_the_nearest_orthogonal_matrix() -> None:
    """Momentum aside: the step's singular values are all near 1, its directions the gradient's."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.nn.Parameter(torch.zeros(48, 16))
    matrix.grad = torch.randn(48, 16, generator=generator)
    left, _, right = torch.linalg.svd(matrix.grad, full_matrices=False)
    Muon([matrix], lr=1.0, weight_decay=0.0).step()
    step = -matrix.detach() / (0.2 * 48**0.5)
    values = torch.linalg.svdvals(step)
    assert 0.6 < values.min() and values.max() < 1.3
    cosine = (step * (left @ right)).sum() / (step.norm() * 16**0.5)
    assert cosine > 0.98
