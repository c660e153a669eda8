"""The scan: many edits from one cached prefix give what one full forward pass each gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from augury.causal.edits import Edit, add, mean, patch, project_out, resample, scale, zero
from augury.causal.lens import logit_lens
from augury.causal.moments import Moment, log_mass
from augury.causal.scan import scan
from augury.errors import ConfigError, DataError
from augury.models.load import LoadedModel

Tiny = Callable[[str], LoadedModel]
LENGTHS = (7, 30, 2, 12, 30, 19, 3)
TARGETS = [5, 9, 33]


def _moments() -> list[Moment]:
    rng = np.random.default_rng(0)
    return [
        Moment(f"t{n}", f"g{n}", np.r_[1, rng.integers(3, 64, size - 1)])
        for n, size in enumerate(LENGTHS)
    ]


def _edits() -> dict[str, list[Edit]]:
    rng = np.random.default_rng(1)
    rows, vector = rng.standard_normal((9, 32)), rng.standard_normal(32)
    given = rng.standard_normal((len(LENGTHS), 32))
    return {
        "zero attn.0": [zero("attn.0")],
        "mean mlp.0": [mean("mlp.0", rows)],
        "resample attn.1": [resample("attn.1", rows, seed=3)],
        "scale mlp.1": [scale("mlp.1", 0.3)],
        "project resid.0": [project_out("resid.0", vector, centre=rows[0])],
        "add embed": [add("embed", vector)],
        "patch resid.1": [patch("resid.1", given)],
        "add final": [add("final", vector)],
        "together": [zero("attn.0"), scale("mlp.1", 0.5), add("mlp.1", vector)],
    }


def _plainly(loaded: LoadedModel, moment: Moment, number: int, edits: list[Edit]) -> torch.Tensor:
    """One text alone, read whole, without a cache; hooks written by hand."""
    blocks = loaded.blocks
    handles = []

    def at_last(edit: Edit, states: torch.Tensor) -> torch.Tensor:
        out = states.clone()
        out[0, -1] = edit.change(states[0, -1:], torch.tensor([number]))[0]
        return out

    for edit in edits:
        kind, _, block = edit.site.partition(".")

        def after(module, args, output, edit=edit):
            if isinstance(output, tuple):
                return (at_last(edit, output[0]), *output[1:])
            return at_last(edit, output)

        if kind == "embed":

            def before(module, args, edit=edit):
                return (at_last(edit, args[0]), *args[1:])

            handles.append(blocks.layers[0].register_forward_pre_hook(before))
            continue
        module = {
            "attn": lambda b: blocks.attn(b),
            "mlp": lambda b: blocks.mlp(b),
            "resid": lambda b: blocks.layers[b],
            "final": lambda b: blocks.final_norm,
        }[kind](int(block or 0))
        handles.append(module.register_forward_hook(after))
    try:
        with torch.no_grad():
            ids = torch.from_numpy(moment.ids.astype(np.int64))[None]
            logits = loaded.model(input_ids=ids, use_cache=False).logits[0, -1].float()
    finally:
        for handle in handles:
            handle.remove()
    return torch.log_softmax(logits, dim=-1)


def test_every_edit_gives_what_one_full_pass_over_one_text_gives(family: str, tiny: Tiny) -> None:
    loaded, moments, edits = tiny(family), _moments(), _edits()
    found = scan(loaded, moments, edits, log_mass(TARGETS), batch_tokens=70)
    for n, moment in enumerate(moments):
        clean = _plainly(loaded, moment, n, [])
        base = float(torch.logsumexp(clean[TARGETS], dim=0))
        assert found.clean[n] == pytest.approx(base, abs=3e-5)
        for column, name in enumerate(found.names):
            edited = _plainly(loaded, moment, n, edits[name])
            wanted = float(torch.logsumexp(edited[TARGETS], dim=0)) - base
            assert found.change[n, column] == pytest.approx(wanted, abs=6e-5), (name, n)
            kl = float((clean.exp() * (clean - edited)).sum())
            assert found.kl[n, column] == pytest.approx(kl, abs=6e-5), (name, n)


def test_the_batch_changes_nothing(tiny: Tiny) -> None:
    loaded, moments = tiny("llama"), _moments()
    one = scan(loaded, moments, _edits(), log_mass(TARGETS), batch_tokens=1)
    many = scan(loaded, moments, _edits(), log_mass(TARGETS))
    np.testing.assert_allclose(one.change, many.change, atol=3e-5)
    # Ten sites: eight edits at one each, and one at two.
    assert one.calls == len(moments) * 10 and many.calls == 10


def test_an_edit_at_the_deciding_position_leaves_the_cache_clean(tiny: Tiny) -> None:
    """The order of the edits must not matter, or one would read what another wrote."""
    loaded, moments, edits = tiny("gemma2"), _moments(), _edits()
    forward = scan(loaded, moments, edits, log_mass(TARGETS))
    backward = scan(loaded, moments, dict(reversed(edits.items())), log_mass(TARGETS))
    np.testing.assert_array_equal(forward.change, backward.change[:, ::-1])


def test_no_change_is_no_change(tiny: Tiny) -> None:
    nothing = {"same": [scale("attn.0", 1.0)], "zero": [add("mlp.1", np.full(32, 0.0))]}
    found = scan(tiny("qwen2"), _moments(), nothing, log_mass(TARGETS))
    np.testing.assert_array_equal(found.change, 0)
    np.testing.assert_array_equal(found.kl, 0)


def test_a_site_that_is_not_there_is_an_error(tiny: Tiny) -> None:
    with pytest.raises(ConfigError, match=r"attn\.7"):
        scan(tiny("llama"), _moments(), {"x": [zero("attn.7")]}, log_mass(TARGETS))
    with pytest.raises(ConfigError, match="no output of a module"):
        scan(tiny("llama"), _moments(), {"x": [zero("query.1")]}, log_mass(TARGETS))
    with pytest.raises(DataError, match="a token before it"):
        Moment("t", "g", np.array([1]))


def test_the_lens_at_the_end_is_what_the_model_says(family: str, tiny: Tiny) -> None:
    loaded, moments = tiny(family), _moments()
    # A second moment in the text of the first long one: the text is read once for both.
    moments.append(Moment(moments[1].trace, "g1", moments[1].ids[:11]))
    found = logit_lens(loaded, moments, ["resid.1", "final"], log_mass(TARGETS))
    for n, moment in enumerate(moments):
        said = _plainly(loaded, moment, n, [])
        assert found.value[n, 1] == pytest.approx(
            float(torch.logsumexp(said[TARGETS], dim=0)), abs=3e-5
        )
    # The last block's output goes through the final norm exactly once.
    np.testing.assert_allclose(found.value[:, 0], found.value[:, 1], atol=3e-5)
    np.testing.assert_allclose(found.kl, 0, atol=3e-5)


def test_the_lens_refuses_other_tokens_under_the_same_name_and_sites_off_the_stream(
    tiny: Tiny,
) -> None:
    two = [Moment("t", "g", np.array([1, 5, 6])), Moment("t", "g", np.array([1, 9]))]
    with pytest.raises(DataError, match="different tokens"):
        logit_lens(tiny("llama"), two, ["final"], log_mass(TARGETS))
    with pytest.raises(DataError, match="residual stream"):
        logit_lens(tiny("llama"), two[:1], ["mlp.0"], log_mass(TARGETS))
