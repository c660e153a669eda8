"""Annotated chains: the real file, and files as dirty as the real ones get."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from augury.errors import ConfigError, DataError, MissingInput
from augury.traces.align import place_spans
from augury.traces.sources.annotated_chains import SEED_LABELS, read_annotated_chains
from augury.traces.sources.inline_markup import align_markup
from augury.traces.tokens import tokenise

GOOD = {
    "task_id": "math_logic_1",
    "problem": "What is 2 + 2?",
    "reasoning_chain": "It is 5.\n\nWait, no. It is 4.",
    "annotated_chain": '["deduction"]It is 5.["end-section"] ["backtracking"]Wait, no.'
    '["end-section"] ["hunch"]It is 4.["end-section"]',
}


@pytest.fixture
def real(augury_data: Path) -> Path:
    return augury_data / "annotated_chains" / "all_annotated_chains.json"


def stored(folder: Path, *records: object) -> Path:
    path = folder / "chains.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def test_the_completion_is_untouched_and_spans_point_into_it(tmp_path: Path) -> None:
    chains = read_annotated_chains(stored(tmp_path, GOOD), model="some-model")
    (trace,) = chains.traces
    assert trace.completion == GOOD["reasoning_chain"]
    assert trace.prompt == "User: What is 2 + 2?\n\nAssistant: "
    assert [(one.label, trace.text[one.start : one.end]) for one in trace.spans] == [
        ("literal", "What is 2 + 2?"),
        ("deduction", "It is 5."),
        ("backtracking", "Wait, no."),
        ("hunch", "It is 4."),
    ]
    assert trace.fields == {"category": "math_logic", "problem": "What is 2 + 2?"}
    assert trace.origin.model == "some-model" and len(trace.origin.revision) == 32
    assert chains.repairs.counts == {"white space differs": 1, "stray label": 1}
    assert chains.repairs.stray_labels == {"hunch": 1}
    assert any("white space differs: 1 in 1 chains" in line for line in chains.repairs.summary())


def test_chains_of_one_problem_share_a_group(tmp_path: Path) -> None:
    twin = {**GOOD, "task_id": "x_2", "problem": " what is 2  + 2?\n"}
    other = {**GOOD, "task_id": "x_3", "problem": "What is 2 + 3?"}
    groups = [t.group for t in read_annotated_chains(stored(tmp_path, GOOD, twin, other)).traces]
    assert groups[0] == groups[1] != groups[2]


def test_the_real_file_reads_without_a_repair_of_text(real: Path) -> None:
    chains = read_annotated_chains(real)
    records = json.loads(real.read_text(encoding="utf-8"))
    assert len(chains.traces) == len(records) == 120
    sections = backtracking = 0
    for trace, record in zip(chains.traces, records, strict=True):
        assert trace.completion == record["reasoning_chain"]
        own = [span for span in trace.spans if span.source == "annotator"]
        sections += len(own)
        backtracking += any(span.label == "backtracking" for span in own)
        for span in own:
            sentence = trace.text[span.start : span.end]
            assert f'["{span.label}"]{sentence}' in record["annotated_chain"]
    assert (sections, backtracking) == (record_tags(records), 77)
    assert set(chains.repairs.counts) == {"text outside tags", "stray label"}
    assert len(chains.repairs.stray_labels) == 5
    assert len({trace.group for trace in chains.traces}) == 93


def record_tags(records: list[dict[str, str]]) -> int:
    return sum(record["annotated_chain"].count('["end-section"]') for record in records)


def test_damage_to_real_markup_moves_no_section_that_is_still_marked(real: Path) -> None:
    rng = random.Random(0)
    for record in json.loads(real.read_text(encoding="utf-8"))[:40]:
        text, annotated = record["reasoning_chain"], record["annotated_chain"]
        clean = align_markup(annotated, text).sections
        broken = annotated.replace("\n", " ")
        ends = broken.split('["end-section"]')
        gone = rng.randrange(1, max(2, len(ends) - 1))
        broken = '["end-section"]'.join(ends[:gone]) + '["end-section"]'.join(ends[gone:])
        broken = broken[: int(len(broken) * 0.9)].rpartition(" ")[0]
        marked = align_markup(broken, text)
        assert "text differs" not in marked.faults or '["' in broken[-40:]
        shared = min(len(clean), len(marked.sections)) - 1
        for one, two in zip(clean[:shared], marked.sections, strict=False):
            assert (one.label, one.start, one.end) == (two.label, two.start, two.end)


def test_changed_words_in_real_markup_leave_almost_every_onset_in_place(real: Path) -> None:
    rng = random.Random(1)
    moved = total = 0
    for record in json.loads(real.read_text(encoding="utf-8"))[:25]:
        text, words = record["reasoning_chain"], record["annotated_chain"].split(" ")
        for _ in range(4):
            k = rng.randrange(len(words))
            if '["' not in words[k]:
                words[k] = rng.choice(["", words[k] + "x", "the", "really " + words[k]])
        marked = align_markup(" ".join(words), text)
        assert marked.similarity > 0.9
        clean = align_markup(record["annotated_chain"], text).sections
        assert len(clean) == len(marked.sections)
        total += len(clean)
        moved += sum(a.start != b.start for a, b in zip(clean, marked.sections, strict=True))
    assert moved <= total * 0.01


def test_every_real_span_decodes_to_its_text(real: Path, stories: Any) -> None:
    for trace in read_annotated_chains(real).traces[:20]:
        placed = place_spans(trace, tokenise(trace, stories), stories)
        assert len(placed) == len(trace.spans)


def test_the_seed_labels_are_the_six_of_the_seed(real: Path) -> None:
    assert len(SEED_LABELS) == 6
    assert set(SEED_LABELS) <= set(read_annotated_chains(real).repairs.labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reasoning_chain": " "}, r"chains\.json:2:reasoning_chain: empty"),
        ({"problem": 3}, r"chains\.json:2:problem: int 3; expected text"),
        ({"annotated_chain": None}, r"chains\.json:2:annotated_chain: NoneType"),
        ({"annotated_chain": '["deduction"]A quite different story was told by the old man.'},
         r"chains\.json:2:annotated_chain: .* of its words are in the chain"),
        ({"task_id": "math_logic_1"}, r"chains\.json:2:id: 'math_logic_1', which row 1 has too"),
        ({"reasoning_chain": "a\ud800"}, r"chains\.json:2:reasoning_chain: lone surrogate"),
    ],
)  # fmt: skip
def test_malformed_records_name_file_row_and_field(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_annotated_chains(stored(tmp_path, GOOD, {**GOOD, "task_id": "b_1", **change}))
    assert caught.value.code == 65


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"[3]", b"\xff", b"[{}]"])
def test_files_of_another_shape_are_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "chains.json").write_bytes(raw)
    with pytest.raises(DataError, match=r"chains\.json"):
        read_annotated_chains(tmp_path / "chains.json")


def test_a_missing_file_and_a_missing_template_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        read_annotated_chains(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="no tokenizer"):
        read_annotated_chains(stored(tmp_path, GOOD), prompt_style="chat")
