"""Tokens once: ids, offsets, special strings, BOS, roles and own ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tokenizer_builders import Shifted, byte_level, word_level

from augury.errors import ConfigError, DataError
from augury.traces.prompts import LITERAL, Rendered, render_prompt
from augury.traces.tokens import (
    ANSWER,
    PROMPT,
    TEMPLATE,
    THINKING,
    TokenisedTrace,
    encode_prompt,
    read_given_ids,
    read_tokenised,
    tokenise,
    tokenise_as,
    tokenise_prompt,
    write_tokenised,
)
from augury.traces.trace import Span, Trace

BPE = byte_level()
TRIMMED = byte_level(trim=True)
NFC = byte_level(nfc=True)
HOSTILE = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


def trace(prompt: str, completion: str, *spans: Span, **fields: Any) -> Trace:
    return Trace("t", "g", prompt, completion, spans=spans, fields=fields)


def covered(tokens: TokenisedTrace, text: str) -> set[int]:
    ranges = zip(tokens.starts, tokens.ends, strict=True)
    return {place for start, end in ranges for place in range(start, end)}


@pytest.mark.parametrize("tokenizer", [BPE, TRIMMED, NFC], ids=["plain", "trimmed", "nfc"])
@given(text=HOSTILE)
@example(text="e\u0301 \u1112\u1161\u11ab x")
@example(text="a  \n\n \U0001f642\u200d\U0001f468 b\x00\x85")
@settings(max_examples=60, deadline=None)
def test_offsets_are_monotone_and_cover_everything_but_white_space(
    tokenizer: Any, text: str
) -> None:
    one = trace("Q: ", text + "x")
    tokens = tokenise(one, tokenizer)
    assert np.all(tokens.ends > tokens.starts)
    assert np.all(np.diff(tokens.starts) >= 0) and np.all(np.diff(tokens.ends) >= 0)
    missing = set(range(len(one.text))) - covered(tokens, one.text)
    assert all(one.text[place].isspace() for place in missing)


@given(text=HOSTILE)
@settings(max_examples=40, deadline=None)
def test_ids_are_those_of_the_raw_tokenizer_and_decode_to_the_text(text: str) -> None:
    # Text that looks like a special token is ours to read as text; the raw tokenizer would not.
    assume(not any(special in text for special in BPE.all_special_tokens))
    tokens = tokenise(trace("", text + "x"), BPE)
    assert tokens.ids.tolist() == BPE.backend_tokenizer.encode(text + "x").ids
    assert BPE.decode(tokens.ids.tolist()) == text + "x"


def test_the_trained_sentencepiece_tokenizer_gives_its_own_ids_and_one_bos(stories: Any) -> None:
    one = trace("Once upon a time, ", "the café 🙂 was <s> open.\n\nThe end")
    tokens = tokenise(one, stories)
    plain = stories(one.text, split_special_tokens=True)["input_ids"]
    assert tokens.ids.tolist() == plain
    assert tokens.bos and tokens.starts[0] == tokens.ends[0] == 0 and tokens.special[0]
    assert tokens.special.sum() == 1
    emoji = one.text.index("🙂")
    assert np.sum((tokens.starts <= emoji) & (tokens.ends > emoji)) == 4


def test_the_text_is_tokenised_whole_so_a_token_may_straddle_prompt_and_completion() -> None:
    one = trace("Q: Wa", "it, no.")
    tokens = tokenise(one, BPE)
    assert tokens.ids.tolist() == BPE(one.text)["input_ids"]
    apart = BPE("Q: Wa")["input_ids"] + BPE("it, no.")["input_ids"]
    assert tokens.ids.tolist() != apart
    first = tokens.first_row
    assert tokens.starts[first] == 2 and tokens.ends[first] == 7
    assert tokens.role[first] == ANSWER and tokens.rows.tolist().index(True) == first


@pytest.mark.parametrize("special", ["<s>", "</s>", "<|user|>"])
def test_special_strings_are_parsed_in_the_template_and_are_text_elsewhere(special: str) -> None:
    prompt = f"{special}User: say {special} now "
    at = prompt.rindex(special)
    problem = Span(at - 4, at + len(special) + 4, LITERAL)
    one = trace(prompt, f"I say {special} again", problem)
    tokens = tokenise(one, BPE)
    number = BPE.convert_tokens_to_ids(special)
    assert np.flatnonzero(tokens.ids == number).tolist() == [0]
    assert (tokens.starts[0], tokens.ends[0]) == (0, len(special))
    assert BPE.decode(tokens.ids.tolist()) == one.text
    assert tokens.special.tolist() == [True] + [False] * (len(tokens) - 1)
    assert tokens.role[0] == TEMPLATE


def test_text_after_a_parsed_special_is_encoded_as_the_library_does_it() -> None:
    one = trace("<|user|>Hold on, let me check</s>Wait", " that is </s> wrong")
    tokens = tokenise(one, BPE)
    clean = tokenise(trace(one.prompt, " that is it wrong"), BPE)
    shared = int(np.argmax(clean.ends > len(one.prompt) + 8))
    assert tokens.ids[:shared].tolist() == clean.ids[:shared].tolist()
    assert clean.ids.tolist() == BPE(one.prompt + " that is it wrong")["input_ids"]


def test_added_tokens_that_are_not_special_stay_one_token_in_the_completion() -> None:
    tokens = tokenise(trace("Q ", "5</think> 4"), BPE)
    assert BPE.convert_tokens_to_ids("</think>") in tokens.ids.tolist()
    assert not tokens.special.any()


def test_bos_auto_follows_the_tokenizer_and_never_doubles_what_the_template_wrote() -> None:
    dressed = byte_level(auto_bos=True)
    assert BPE.bos_token_id == 0
    assert not tokenise(trace("Q ", "a"), BPE).bos
    added = tokenise(trace("Q ", "a"), dressed)
    assert added.bos and (added.ids == 0).sum() == 1 and added.ends[0] == 0
    written = tokenise(trace("<s>Q ", "a"), dressed)
    assert written.bos and (written.ids == 0).sum() == 1 and written.ends[0] == 3
    assert tokenise(trace("Q ", "a"), BPE, bos="always").ids.tolist() == added.ids.tolist()
    assert not tokenise(trace("Q ", "a"), dressed, bos="never").bos


@pytest.mark.parametrize(
    ("prompt", "bos"), [("<s><s>Q ", "auto"), ("<s>Q ", "always"), ("<s>Q ", "never")]
)
def test_a_doubled_or_contradicted_bos_is_a_config_error(prompt: str, bos: Any) -> None:
    with pytest.raises(ConfigError, match="BOS") as caught:
        tokenise(trace(prompt, "a"), BPE, bos=bos)
    assert caught.value.code == 78 and "trace 't'" in str(caught.value)


def test_a_bos_that_the_vocabulary_lacks_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no BOS token"):
        tokenise(trace("", "so it"), word_level(["so", "it"]), bos="always")


@pytest.mark.parametrize("completion", ["", " ", "\n\t"])
def test_an_empty_completion_is_refused(completion: str) -> None:
    with pytest.raises(DataError, match="trace 't': completion") as caught:
        tokenise(trace("Q", completion), BPE)
    assert caught.value.code == 65


def test_a_lone_surrogate_is_refused_with_its_offset() -> None:
    with pytest.raises(DataError, match=r"U\+D800 at code point 3"):
        tokenise(trace("Q", "ab\ud800"), BPE)


@pytest.mark.parametrize("offsets", ["none", "zero"])
def test_missing_or_zero_width_offsets_are_recovered_by_decoding(offsets: str) -> None:
    one = trace("Q: ", "Wait, 🙂 that\n\nis é wrong")
    expected = tokenise(one, BPE)
    found = tokenise(one, Shifted(BPE, offsets))
    for name in ("ids", "starts", "ends", "role"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


@pytest.mark.parametrize("offsets", ["none", "zero"])
def test_offsets_that_cannot_be_recovered_are_a_config_error(offsets: str) -> None:
    with pytest.raises(ConfigError, match="tokenizer offsets") as caught:
        tokenise(trace("Q: ", "Wait"), Shifted(BPE, offsets, ids=False))
    assert caught.value.code == 78


def test_roles_follow_the_think_tags() -> None:
    def roles(prompt: str, completion: str) -> dict[str, int]:
        one = trace(prompt, completion)
        tokens = tokenise(one, BPE)
        return {
            one.text[s:e].strip(): int(r)
            for s, e, r in zip(tokens.starts, tokens.ends, tokens.role, strict=True)
        }

    both = roles("Q: ", "<think>5</think>4")
    assert (both["5"], both["</think>"], both["4"]) == (THINKING, THINKING, ANSWER)
    assert both["Q"] == PROMPT
    assert roles("Q: ", "<think>5")["5"] == THINKING
    assert roles("Q: <think>\n", "5")["5"] == THINKING
    assert roles("Q: ", "5")["5"] == ANSWER


def test_prompt_text_outside_the_literal_problem_is_template() -> None:
    tokens = tokenise(trace("User: 2 + 2 A:", " 4", Span(6, 11, LITERAL)), BPE)
    prompt = tokens.role[: tokens.first_row]
    inside = (tokens.starts < 11) & (tokens.ends > 6)
    assert set(prompt[inside[: tokens.first_row]]) == {PROMPT}
    assert set(prompt[~inside[: tokens.first_row]]) == {TEMPLATE}


def test_own_ids_replace_a_different_encoding_and_get_their_own_offsets() -> None:
    letters = BPE.convert_tokens_to_ids(list("Wait"))
    own = tokenise(trace("Q: ", "Wait", token_ids=" ".join(map(str, letters))), BPE)
    assert own.ids[own.first_row :].tolist() == letters
    assert own.starts[own.first_row :].tolist() == [3, 4, 5, 6]
    assert own.ids[: own.first_row].tolist() == BPE("Q: ")["input_ids"]
    assert tokenise(trace("Q: ", "Wait"), BPE).ids.tolist() != own.ids.tolist()


def test_own_ids_that_agree_leave_the_encoding_alone() -> None:
    plain = tokenise(trace("Q:", " Wait"), BPE)
    ids = " ".join(map(str, plain.ids[plain.first_row :]))
    again = tokenise(trace("Q:", " Wait", token_ids=ids), BPE)
    assert again.ids.tolist() == plain.ids.tolist()
    assert again.starts.tolist() == plain.starts.tolist()


def test_own_special_ids_keep_their_place_in_the_completion() -> None:
    ids = [BPE.convert_tokens_to_ids("<|user|>"), *BPE(" hi")["input_ids"]]
    own = tokenise(trace("Q", "<|user|> hi", token_ids=" ".join(map(str, ids))), BPE)
    assert own.ids[own.first_row :].tolist() == ids
    assert own.special[own.first_row] and own.role[own.first_row] == ANSWER


@pytest.mark.parametrize("ids", ["1 x", "", "-3", "1.5"])
def test_malformed_own_ids_are_refused_by_name(ids: str) -> None:
    with pytest.raises(DataError, match=r"fields\.token_ids"):
        tokenise(trace("Q", "Wait", token_ids=ids), BPE)


def test_own_ids_of_another_text_are_refused() -> None:
    with pytest.raises(DataError, match="do not decode"):
        tokenise(trace("Q", "Wait", token_ids="5 6 7"), BPE)


def test_the_prompt_by_itself_is_what_comes_before_own_ids(stories: Any) -> None:
    rendered = render_prompt("Once upon", stories, style="plain")
    fed = encode_prompt(rendered, stories)
    ids = " ".join(map(str, stories.convert_tokens_to_ids(["t", "h", "e"])))
    one = Trace("t", "g", rendered.text, "the", rendered.spans(), {"token_ids": ids})
    tokens = tokenise(one, stories)
    assert tokens.ids[: tokens.first_row].tolist() == fed
    assert encode_prompt(Rendered("", (0, 0)), stories) == [1]


def test_tokenised_traces_survive_the_disk(tmp_path: Path) -> None:
    made = [tokenise(trace("Q: ", text), BPE) for text in ("Wait 🙂", "</s> x")]
    write_tokenised(tmp_path / "t.parquet", made)
    for before, after in zip(made, read_tokenised(tmp_path / "t.parquet"), strict=True):
        for name in TokenisedTrace.__slots__:
            old, new = getattr(before, name), getattr(after, name)
            if isinstance(old, np.ndarray):
                assert old.dtype == new.dtype and old.tolist() == new.tolist()
                assert not new.flags.writeable
            else:
                assert old == new


def test_a_file_of_something_else_is_not_read_as_tokens(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"t\.parquet"):
        read_tokenised(tmp_path / "t.parquet")


def test_columns_of_different_lengths_are_refused() -> None:
    tokens = tokenise(trace("", "Wait"), BPE)
    with pytest.raises(DataError, match="columns of"):
        TokenisedTrace(
            "t", "g", tokens.ids, tokens.starts[:0], tokens.ends, tokens.special, tokens.role, 0
        )


@pytest.mark.parametrize("prompt", ["", "Q: 2 + 2?\n"])
def test_ids_fed_elsewhere_get_the_columns_of_their_own_tokenisation(prompt: str) -> None:
    with_bos = byte_level(auto_bos=True)
    text = trace(prompt, "<think>Wait, ünïcode 🎲</think> twelve </s> done", Span(1, 5, "x"))
    ours = tokenise(text, with_bos)
    given = tokenise_as(text, ours.ids.tolist(), with_bos)
    for name in TokenisedTrace.__slots__:
        assert np.array_equal(getattr(given, name), getattr(ours, name)), name
    bare = tokenise_as(text, ours.ids[1:].tolist(), with_bos)
    assert not bare.bos and np.array_equal(bare.starts, ours.starts[1:])
    cut = tokenise_as(text, ours.ids[:-2].tolist(), with_bos)
    assert np.array_equal(cut.ends, ours.ends[:-2]) and cut.first_row == ours.first_row


def test_ids_that_another_encoding_gave_keep_their_places() -> None:
    letters = [BPE(letter)["input_ids"][0] for letter in "Hold"]
    given = tokenise_as(trace("", "Hold"), letters, BPE)
    assert given.starts.tolist() == [0, 1, 2, 3] and len(BPE("Hold")["input_ids"]) < 4


def test_ids_that_are_not_those_of_the_text_are_refused() -> None:
    tokens = byte_level(auto_bos=True)
    text = trace("Hold on, ", "let me check")
    ids = tokens(text.text)["input_ids"]
    with pytest.raises(DataError, match="trace 't': ids: two BOS in front"):
        tokenise_as(text, [ids[0], *ids], tokens)
    with pytest.raises(DataError, match="ids that end inside the prompt"):
        tokenise_as(text, ids[:2], tokens)
    for wrong in (ids[2:], [*ids, ids[-1]], [ids[0]], [*ids[:-1], ids[1]]):
        with pytest.raises(DataError, match=r"that decode to .*expected ids of the text 'Hold on"):
            tokenise_as(text, wrong, tokens)


def test_a_table_of_ids_alone_is_told_from_tokenised_traces(tmp_path: Path) -> None:
    path = tmp_path / "tokens.parquet"
    pl.DataFrame({"trace_id": ["a", "b"], "ids": [[1, 2], [3]]}).write_parquet(path)
    found = read_given_ids(path)
    assert found is not None
    assert [(name, ids.tolist()) for name, ids in found] == [("a", [1, 2]), ("b", [3])]
    write_tokenised(path, [tokenise(trace("", "twelve"), BPE)])
    assert read_given_ids(path) is None
    pl.DataFrame({"trace_id": ["a"], "ids": ["1 2"]}).write_parquet(path)
    assert read_given_ids(path) is None
    for ids in ([[1], []], [[1], [None]], [[1], [-3]], [[1], None]):
        pl.DataFrame({"trace_id": ["a", "b"], "ids": ids}).write_parquet(path)
        with pytest.raises(DataError, match=r"tokens\.parquet:2: an empty entry, or no token id"):
            read_given_ids(path)


@pytest.mark.parametrize("text", ["What is 2 + 2?", "</s> is text", "a  \n b"])
def test_a_prompt_alone_has_the_ids_that_the_model_is_fed(text: str) -> None:
    rendered = render_prompt(text, BPE, style="plain")
    one = Trace("t", "g", rendered.text, "", spans=rendered.spans())
    tokens = tokenise_prompt(one, BPE)
    assert tokens.ids.tolist() == encode_prompt(rendered, BPE)
    assert tokens.first_row == len(tokens) and not tokens.rows.any()


def test_a_prompt_alone_must_be_a_prompt_and_alone() -> None:
    with pytest.raises(DataError, match="a completion; expected a prompt, and nothing behind it"):
        tokenise_prompt(trace("Q: ", "x"), BPE)
    with pytest.raises(DataError, match="an empty prompt"):
        tokenise_prompt(trace(" ", ""), BPE)
