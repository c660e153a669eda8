"""Does the similarity tell sentences that mean the same from sentences that do not?"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.rollouts import chain_world

from augury.errors import ConfigError, DataError, MissingInput
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.sentence_encoder import SentenceEncoder
from augury.organism.sentence_pairs import sentence_pairs
from augury.organism.world import draw_problem
from augury.organism.writer import write_chain
from augury.rollouts.config import EncoderConfig, RolloutsConfig
from augury.rollouts.files import Tree
from augury.rollouts.meaning import (
    Meaning,
    fit_meaning,
    read_meaning,
    resolved_encoder,
    save_meaning,
)
from augury.traces.sentences import split_sentences

PAIRS = 150


@pytest.fixture(scope="module")
def organism() -> LoadedModel:
    return load_model(ModelConfig(name="organism", device="cpu"))


@pytest.fixture(scope="module")
def sentences() -> dict[int, list[str]]:
    """Of some problems, as its grammar writes them."""
    rng, found = random.Random(11), {}
    for number in range(60):
        text = write_chain(rng, draw_problem(rng)).text.partition("\n</think>")[0]
        thoughts = text.removeprefix("<think>\n")
        own = [thoughts[a:b].strip() for a, b in split_sentences(thoughts)]
        found[number] = list(dict.fromkeys(own))
    return found


@pytest.fixture(scope="module")
def own(organism: LoadedModel, sentences: dict[int, list[str]]) -> Meaning:
    return fit_meaning(RolloutsConfig(), EncoderConfig(name="own"), organism, sentences)


def test_own_states_tell_a_slip_from_the_same_sum_in_other_words(own: Meaning) -> None:
    found = {
        kind: np.concatenate(own.similarities([(one, [other]) for one, other in pairs]))
        for kind, pairs in sentence_pairs(random.Random(5), PAIRS).items()
    }
    truth = np.repeat([1, 0], PAIRS)
    assert roc_auc_score(truth, np.r_[found["same"], found["slip"]]) > 0.85
    assert roc_auc_score(truth, np.r_[found["same"], found["other"]]) > 0.95
    assert (found["same"] >= own.threshold).mean() > 0.75
    assert (found["other"] < own.threshold).mean() > 0.8


def test_the_threshold_lets_one_in_twenty_unrelated_sentences_pass(
    own: Meaning, sentences: dict[int, list[str]]
) -> None:
    rng = np.random.default_rng(3)
    texts = [(number, each) for number, of in sentences.items() for each in of]
    drawn = rng.integers(0, len(texts), (4000, 2))
    pairs = [
        (texts[a][1], [texts[b][1]])
        for a, b in drawn
        if texts[a][0] != texts[b][0] and texts[a][1] != texts[b][1]
    ]
    passed = np.concatenate(own.similarities(pairs)) >= own.threshold
    assert 0.03 < passed.mean() < 0.07


def test_whitened_vectors_have_no_common_direction(
    own: Meaning, sentences: dict[int, list[str]]
) -> None:
    texts = list(dict.fromkeys(each for of in sentences.values() for each in of))
    raw = np.asarray(own.embed(texts))
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.linalg.norm(raw.mean(axis=0)) > 0.5, "or there was nothing to whiten away"
    assert np.linalg.norm(own.vectors(texts).mean(axis=0)) < 0.2


def test_what_is_saved_judges_the_same(tmp_path: Path, own: Meaning) -> None:
    tree = Tree(tmp_path, RolloutsConfig().setting)
    save_meaning(tree, own)
    again = read_meaning(tree, own.how)
    one, others = "We are at 7 now.", ["The count is 7 so far.", "We are at 8 now."]
    assert np.allclose(again.similar(one, others), own.similar(one, others), atol=1e-6)
    assert again.threshold == own.threshold


def test_too_few_sentences_calibrate_nothing(organism: LoadedModel) -> None:
    few = {0: ["We are at 7 now."], 1: ["It should be fine."]}
    with pytest.raises(DataError, match="2 sentences of 2 problems; expected at least 20"):
        fit_meaning(RolloutsConfig(), EncoderConfig(name="own"), organism, few)
    one_problem = {0: [f"We are at {n} now." for n in range(30)]}
    with pytest.raises(DataError, match="30 sentences of 1 problems"):
        fit_meaning(RolloutsConfig(), EncoderConfig(name="own"), organism, one_problem)


def test_states_behind_a_server_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.name: the states of a model behind a server"):
        resolved_encoder(EncoderConfig(name="own"), on_server=True)


def test_an_encoder_pools_by_its_folder_and_a_text_alone_as_in_company(tmp_path: Path) -> None:
    import torch

    folder = chain_world.write_encoder(tmp_path / "encoder")
    encoder = SentenceEncoder(str(folder))
    texts = ["Start.", "Yes. Going.", "No. Coming. Back.", "Yes."]
    together = encoder(texts)
    for text, vector in zip(texts, together, strict=True):
        ids = torch.tensor([encoder._tokenizer(text)["input_ids"]])
        with torch.no_grad():
            states = encoder._model(input_ids=ids).last_hidden_state[0].numpy()
        mean = states.mean(axis=0)
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(ConfigError, match="pooling_mode_max_tokens"):
        SentenceEncoder(str(folder))


def test_an_encoder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="encoder"):
        SentenceEncoder(str(tmp_path / "absent"))
