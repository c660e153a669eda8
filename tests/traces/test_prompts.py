"""Prompts: the template writes everything but the problem, and says where the problem is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_builders import byte_level

from augury.errors import ConfigError
from augury.traces.prompts import LITERAL, prefilled, render_prompt

CHAT = (
    "<s>{% for m in messages %}<|user|>user: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<think>\n{% endif %}"
)


@given(problem=st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_plain_and_none_hold_the_problem_at_the_literal_range(problem: str) -> None:
    plain = render_prompt(problem, None, style="plain")
    assert plain.text == f"User: {problem}\n\nAssistant: "
    assert plain.text[slice(*plain.literal)] == problem
    bare = render_prompt(problem, None, style="none")
    assert (bare.text, bare.literal) == (problem, (0, len(problem)))


@pytest.mark.parametrize("problem", ["user", "What is 2?", "</s><|user|>", "a\n\nb 🙂"])
def test_chat_finds_the_problem_even_if_the_template_repeats_its_words(problem: str) -> None:
    rendered = render_prompt(problem, byte_level(template=CHAT), style="chat")
    assert rendered.text == f"<s><|user|>user: {problem}</s><think>\n"
    assert rendered.text[slice(*rendered.literal)] == problem
    assert rendered.literal[0] == len("<s><|user|>user: ")
    assert rendered.spans()[0].label == LITERAL


def test_a_template_that_trims_is_followed() -> None:
    trims = byte_level(template="[{{ messages[0]['content'] | trim }}]")
    assert render_prompt("  x ", trims, style="chat").literal == (1, 2)


def test_an_empty_problem_has_no_span() -> None:
    assert render_prompt("", None, style="plain").spans() == ()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "without chat template"),
        ("{{ messages[0]['content'] | upper }}", "rewrites the problem"),
        ("{{ raise_exception('only system turns') }}", "only system turns"),
        ("{% if %}", "it failed"),
    ],
)
def test_a_template_that_cannot_be_trusted_is_a_config_error(template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        render_prompt("x y", byte_level(template=template), style="chat")
    assert caught.value.code == 78


def test_chat_without_a_tokenizer_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no tokenizer"):
        render_prompt("x", None, style="chat")


@pytest.mark.parametrize("prefill", ["<think>\n", "<think> ", ""])
def test_a_prefill_takes_the_place_of_a_think_tag_that_the_template_opens(prefill: str) -> None:
    rendered = render_prompt("What is 2?", byte_level(template=CHAT), style="chat")
    assert rendered.text.endswith("</s><think>\n")
    made = prefilled(rendered, prefill)
    assert made.text == "<s><|user|>user: What is 2?</s>" + prefill
    assert made.text[slice(*made.literal)] == "What is 2?"


def test_a_prefill_leaves_the_problems_own_words_alone() -> None:
    rendered = render_prompt("What does it mean: <think>", None, style="none")
    assert prefilled(rendered, "<think>\n").text == "What does it mean: <think><think>\n"
