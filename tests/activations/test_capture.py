"""What is wrong with captured files is said in one line, which names the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from augury.activations.anchors import planned_rows
from augury.activations.capture import read_capture
from augury.activations.import_store import import_store
from augury.activations.layout import read_header
from augury.activations.store import Store
from augury.errors import AuguryError, DataError, MissingInput, UsageError
from augury.traces.tokens import TokenisedTrace

SITES = ("embed", "resid.1")


@pytest.fixture
def traces(traces: list[TokenisedTrace]) -> list[TokenisedTrace]:
    """As elsewhere, but the first (7 tokens) has a prompt of five."""
    return [replace(traces[0], first_row=5), *traces[1:]]


@pytest.fixture
def capture(
    traces: list[TokenisedTrace], tmp_path: Path, describe_capture: Callable[..., None]
) -> Path:
    """A sound capture: one file, two sites, completions only."""
    folder = tmp_path / "capture"
    folder.mkdir()
    kept = [planned_rows(part, whole=False) for part in traces]
    trace = np.repeat(np.arange(len(kept), dtype=np.int32), [len(one) for one in kept])
    generator = torch.Generator().manual_seed(0)
    tensors = {site: torch.randn((len(trace), 8), generator=generator) for site in SITES}
    tensors["trace"] = torch.from_numpy(trace)
    tensors["token"] = torch.from_numpy(np.concatenate(kept))
    save_file(tensors, folder / "a.safetensors")
    describe_capture(folder, traces=[part.trace_id for part in traces])
    return folder


Tensors = dict[str, torch.Tensor]


def _drop(*names: str) -> Callable[[Tensors], Tensors]:
    return lambda one: {name: value for name, value in one.items() if name not in names}


def _put(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda one: {**one, name: change(one[name]).contiguous()}


def _with(column: str, row: int, value: float) -> Callable[[Tensors], Tensors]:
    def change(states: torch.Tensor) -> torch.Tensor:
        states = states.clone()
        states[row] = value
        return states

    return _put(column, change)


def _without_row(row: int) -> Callable[[Tensors], Tensors]:
    return lambda one: {
        name: torch.cat([value[:row], value[row + 1 :]]) for name, value in one.items()
    }


# Rows 0 and 1 are tokens 5 and 6 of trace 0, which are its completion.
FAULTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "no column": (
        _drop("trace"),
        r"a\.safetensors: tensor 'trace': absent; expected int32 \[row\]",
    ),
    "long column": (_put("token", torch.Tensor.long), r"tensor 'token': I64 .*expected int32"),
    "wide column": (_put("token", lambda x: x[:, None]), r"tensor 'token': I32 \[\d+, 1\]"),
    "short column": (_put("token", lambda x: x[:-1]), r"'trace' and 'token': \d+ and \d+ rows"),
    "short states": (
        _put("embed", lambda x: x[:-1]),
        r"tensor 'embed': shape \[\d+, 8\]; expected",
    ),
    "flat states": (_put("embed", lambda x: x[:, 0]), r"tensor 'embed': shape \[\d+\]; expected"),
    "spans": (
        lambda one: {**one, "first": one["token"].clone()},
        r"tensor 'first': rows that are made of several tokens",
    ),
    "no states": (_drop(*SITES), r"a\.safetensors: no states; expected a tensor per site"),
    "site": (
        lambda one: {**one, "layer.1": one["embed"].clone()},
        r"tensor 'layer\.1': no such site; .*did you mean 'resid\.1'",
    ),
    "unsupported type": (
        _put("embed", torch.Tensor.double),
        r"'embed': number type F64; expected F32, BF16, F16",
    ),
    "other type": (
        _put("embed", torch.Tensor.bfloat16),
        r"'embed': number type bfloat16; expected float32, as export\.json says",
    ),
    "trace number": (_with("trace", 3, 10), r"row 3: trace 10; expected a trace from 0 to 9"),
    "negative trace": (_with("trace", 0, -1), r"row 0: trace -1; expected"),
    "token number": (
        _with("token", 1, 7),
        r"row 1: token 7; expected one of the 7 tokens of trace 0 \('t0'\)",
    ),
    "twice": (
        _with("token", 1, 5),
        r"a\.safetensors: site embed, trace 0 \('t0'\), token 5: a row that a\.safetensors holds",
    ),
    "last row": (
        _without_row(1),
        r"capture: site embed, trace 0 \('t0'\), token 6: not captured; expected every token",
    ),
    "first row": (
        _without_row(0),
        r"trace 0 \('t0'\): rows from token 6 on; expected rows from token 5 \(its completion\)",
    ),
    "not finite": (
        _with("resid.1", 1, float("nan")),
        r"site resid\.1, trace 0 \('t0'\), token 6: a state that is not finite",
    ),
    "infinite": (_with("embed", 0, float("inf")), r"site embed, trace 0 .* not finite"),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_of_a_file_is_one_line(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path, name: str
) -> None:
    import_store(read_capture([capture]), traces, tmp_path / "sound")
    assert traces[0].first_row == 5 and len(traces[0].ids) == 7
    change, message = FAULTS[name]
    save_file(change(load_file(capture / "a.safetensors")), capture / "a.safetensors")
    with pytest.raises(DataError, match=message) as raised:
        import_store(read_capture([capture]), traces, tmp_path / "store")
    assert "\n" not in str(raised.value)
    with pytest.raises(AuguryError):
        Store.open(tmp_path / "store")
    if "finite" not in message:
        assert not (tmp_path / "store").exists()


ABOUT: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({"dtype": None}, r"export\.json: dtype: "),
    "type": ({"dtype": "float64"}, r"dtype: Input should be 'float32', 'bfloat16' or 'float16'"),
    "no model": ({"identity": {"engine": "x"}}, r"export\.json: identity must name the model"),
    "unknown key": ({"layers": 3}, r"layers: Extra inputs are not permitted"),
    "no ids": ({"traces": None}, r"the ids of the traces are needed"),
    "few ids": ({"traces": ["t0"]}, r"traces: 1 ids; expected 10, as in the table of tokens"),
    "other id": (
        {"traces": ["t0", "t2", "t1", *(f"t{k}" for k in range(3, 10))]},
        r"traces: 't2' as trace 1; expected 't1', as in the table of tokens",
    ),
    "hash": (
        {"content": "00", "traces": None},
        r"export\.json: content: 00; expected [0-9a-f]{32}",
    ),
    "rows": ({"rows": 3}, r"export\.json: rows: 3; expected \d+, as in the files"),
    "sites": ({"sites": ["embed", "final"]}, r"export\.json: sites: final, which no file holds"),
}


@pytest.mark.parametrize("name", sorted(ABOUT))
def test_each_fault_of_export_json_is_one_line(
    capture: Path,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    name: str,
    describe_capture: Callable[..., None],
) -> None:
    changes, message = ABOUT[name]
    describe_capture(capture, **{"traces": [part.trace_id for part in traces], **changes})
    with pytest.raises(DataError, match=message) as raised:
        import_store(read_capture([capture]), traces, tmp_path / "store")
    assert "\n" not in str(raised.value) and not (tmp_path / "store").exists()


def test_a_row_in_two_files_and_files_that_disagree_are_named(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    tensors = load_file(capture / "a.safetensors")
    part = {name: value[2:4].clone() for name, value in tensors.items() if name != "embed"}
    save_file(part, capture / "b.safetensors")
    with pytest.raises(DataError, match=r"b\.safetensors: site resid\.1.*a\.safetensors holds"):
        import_store(read_capture([capture]), traces, tmp_path / "store")
    part["resid.1"] = part["resid.1"][:, :5].contiguous()
    save_file(part, capture / "b.safetensors")
    with pytest.raises(DataError, match=r"b\.safetensors.*rows of 5 numbers; expected 8, as in a"):
        read_capture([capture])
    one_site = _drop("embed")(_without_row(4)(tensors)), _drop("resid.1")(tensors)
    for name, content in zip("ab", one_site, strict=True):
        save_file(content, capture / f"{name}.safetensors")
    with pytest.raises(DataError, match=r"site resid\.1, trace 1 .*: not captured"):
        import_store(read_capture([capture]), traces, tmp_path / "store")


def test_a_trace_without_rows_and_mixed_rules_are_named(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    tensors = load_file(capture / "a.safetensors")
    other = tensors["trace"] != 3
    save_file({k: v[other] for k, v in tensors.items()}, capture / "a.safetensors")
    with pytest.raises(DataError, match=r"trace 3 \('t3'\): no rows; expected rows from token"):
        import_store(read_capture([capture]), traces, tmp_path / "store")
    nothing = {k: v[:0] for k, v in tensors.items()}
    save_file(nothing, capture / "a.safetensors")
    with pytest.raises(DataError, match="no row"):
        import_store(read_capture([capture]), traces, tmp_path / "store")


def test_files_that_are_damaged_or_not_there_are_named(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"\*\.safetensors: no such file"):
        (tmp_path / "empty").mkdir()
        read_capture([tmp_path / "empty"])
    with pytest.raises(MissingInput, match=r"c\.safetensors: no such file"):
        read_capture([capture / "c.safetensors"])
    with pytest.raises(UsageError, match="files of 2 folders"):
        read_capture([capture, tmp_path / "x.safetensors"])
    whole = (capture / "a.safetensors").read_bytes()
    for bad in (whole[:-5], whole[:20], b"", b"{}" * 40):
        (capture / "a.safetensors").write_bytes(bad)
        with pytest.raises(DataError, match=r"a\.safetensors: not readable") as raised:
            read_capture([capture])
        assert "\n" not in str(raised.value)
    (capture / "a.safetensors").write_bytes(whole)
    (capture / "export.json").write_text("{")
    with pytest.raises(DataError, match=r"export\.json: Invalid JSON"):
        read_capture([capture])
    (capture / "export.json").unlink()
    with pytest.raises(MissingInput, match=r"export\.json: no such file"):
        read_capture([capture])


def test_the_header_says_that_it_was_imported_and_from_what(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    import_store(read_capture([capture]), traces, tmp_path / "store")
    header = read_header(tmp_path / "store")
    assert header is not None and header.fields["batching"] == "elsewhere"
    first = header.fields["identity"]["imported"]
    (capture / "a.safetensors").rename(capture / "b.safetensors")
    assert read_capture([capture]).content not in first
