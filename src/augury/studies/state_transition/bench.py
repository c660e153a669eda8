"""The bench: let the model write under edits, and measure what that did and what it cost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from augury.causal.editing import Calls
from augury.causal.edits import Edit
from augury.causal.forced import ForcedText, all_forced, control_divergence, neutral_loss
from augury.causal.gates import Capability
from augury.causal.generation import loops, sample_edited
from augury.causal.steering import Measured
from augury.models.load import LoadedModel
from augury.organism.othertext import prose
from augury.plain import fingerprint
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.runs.progress import quiet
from augury.runs.provenance import package_version
from augury.studies.state_transition.baseline import decoder
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.events import analysed_onsets
from augury.studies.state_transition.generations import row_of, sample_key, save_rows
from augury.studies.state_transition.pairs import Pairs
from augury.studies.state_transition.problems import read_prompts
from augury.studies.state_transition.shelf import Costs, Kept, Shelf
from augury.studies.state_transition.texts import Read, Texts

__all__ = ["SHELF", "Bench", "Written"]

SHELF = "generations/under-edits"
"""What was written under edits, by what decides it: no text is written twice in a run."""

_NEUTRAL, _NEUTRAL_TOKENS = 40, 128
_CONTROLS = 40


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """What was written under one condition."""

    reads: tuple[Read, ...]
    measured: Measured
    calls: Calls


class Bench:
    """The same problems, one continuation each, whatever is edited.

    Args:
        run: With its problems and prompts.
        config: Says which variant, how many problems, and what costs.
        loaded: The model.
        pairs: Their controls are where the divergence is measured; their target set is spared.
    """

    def __init__(
        self, run: Run, config: StateTransitionConfig, loaded: LoadedModel, pairs: Pairs
    ) -> None:
        self._run, self._config, self.loaded = run, config, loaded
        prompts = read_prompts(run, config.analysis.variant)
        self._prompts = prompts[: config.ablation.max_examples]
        self._texts = Texts(run, config, loaded.tokenizer)
        self._targets = pairs.targets
        starts = {read.trace_id: read.row.prompt_tokens for read in pairs.reads}
        self._controls = [
            ForcedText(control.ids, np.array([control.position]), first=starts[control.trace])
            for control in pairs.controls[:_CONTROLS]
        ]
        self._clean = all_forced(loaded, self._controls, [])
        self._neutral = _neutral_texts(config, loaded)
        self._shelf = Shelf(run.path / SHELF)
        self._decided_by = self._everything_but_edits()

    @property
    def groups(self) -> list[str]:
        """Group of each unit: one problem each."""
        return [self._texts.group(prompt.example_id) for prompt in self._prompts]

    def write(
        self, edits: Sequence[Edit], condition: str, *, draw: int = -1, path: Path | None = None
    ) -> Written:
        """Write every continuation.

        Args:
            edits: What is changed.
            condition: Name of the rows.
            draw: Number of the random draw.
            path: File that keeps the rows; they are not kept when not given.
        """
        key = fingerprint([self._decided_by, [edit.identity for edit in edits]])
        kept = self._shelf.get(key)
        if kept is None:
            kept = self._write(edits)
            self._shelf.put(key, kept)
        rows = [replace(row, condition=condition, draw=draw) for row in kept.rows]
        if path is not None:
            save_rows(path, rows)
        reads = tuple(self._texts.read(row) for row in rows)
        return Written(reads, self._measured(reads, kept.costs), kept.calls)

    def measure(self, edits: Sequence[Edit]) -> Measured:
        """What the edits did and cost; nothing is kept."""
        return self.write(edits, "tried").measured

    def _write(self, edits: Sequence[Edit]) -> Kept:
        config = self._config
        made = sample_edited(
            self.loaded,
            [prompt.ids for prompt in self._prompts],
            edits,
            settings=config.generation.sampling,
            keys=[sample_key(prompt.example_id, 0) for prompt in self._prompts],
            at=config.ablation.at,
        )
        decode = decoder(self.loaded.tokenizer)
        facts = {
            "condition": "",
            "gen_params": config.generation.sampling.model_dump(mode="json"),
            "model_hf_id": config.model.name,
        }
        rows = [
            row_of(prompt, 0, generation, decode(generation.ids), facts)
            for prompt, generation in zip(self._prompts, made.generations, strict=True)
        ]
        with quiet():
            loss = neutral_loss(self.loaded, self._neutral, edits, apart_from=self._targets)
            apart = control_divergence(
                self.loaded, self._controls, self._clean, edits, apart_from=self._targets
            )
        costs = Costs(float(np.exp(loss.mean())), float(apart.mean()))
        return Kept(tuple(rows), costs, made.calls)

    def _measured(self, reads: Sequence[Read], costs: Costs) -> Measured:
        outcome = np.array([float(bool(analysed_onsets(r, self._config))) for r in reads])
        capability = Capability(
            loops=np.array([loops(read.row.token_ids) for read in reads]),
            perplexity=costs.perplexity,
            control_kl=costs.control_kl,
            right=_right(reads),
        )
        return Measured(outcome, capability)

    def _everything_but_edits(self) -> str:
        config = self._config
        return fingerprint(
            {
                "identity": self.loaded.identity,
                "sampling": config.generation.sampling,
                "at": config.ablation.at,
                "prompts": [[p.example_id, p.variant, p.text, p.ids] for p in self._prompts],
                "controls": [
                    [text.ids.tolist(), text.rows.tolist(), text.first] for text in self._controls
                ],
                "targets": self._targets,
                "neutral": [ids.tolist() for ids in self._neutral],
                "version": package_version("augury"),
            }
        )


def _right(reads: Sequence[Read]) -> np.ndarray | None:
    if all(read.state == "unjudged" for read in reads):
        return None
    return np.array([read.state == "right" for read in reads])


def _neutral_texts(config: StateTransitionConfig, loaded: LoadedModel) -> list[np.ndarray]:
    path = config.ablation.neutral_text
    if path is None:
        texts = [prose(random.Random(number)) for number in range(_NEUTRAL)]
    else:
        text = Path(expand(path, "ablation.neutral_text")).read_text(encoding="utf-8")
        paragraphs = [part.strip() for part in text.split("\n\n")]
        long = [part for part in paragraphs if len(part) > 200]
        texts = long[:: max(1, len(long) // _NEUTRAL)][:_NEUTRAL]
    encoded = [loaded.tokenizer(text)["input_ids"][:_NEUTRAL_TOKENS] for text in texts]
    return [np.array(ids) for ids in encoded if len(ids) > 2]
