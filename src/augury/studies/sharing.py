"""Give probes away through a model hub, and take those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from augury.errors import MissingInput
from augury.models.load import ModelConfig, load_model
from augury.probes.bundle import ProbeCard
from augury.probes.hub import find_bundles, pull_bundles, push_bundles
from augury.report.markup import markdown_text
from augury.runs.folder import Run, open_run

__all__ = ["pull", "push", "readme"]

_HEADER = """---
library_name: augury
tags: [augury, probe]
---
"""


def push(what: str, repo: str, *, study: str, runs: Path, public: bool) -> list[str]:
    """Commit the probes of a run, or of a folder, to a repository; lines that say so.

    Raises:
        MissingInput: There is no such run or folder, or no probe in it.
        Unsafe: The folder holds a link.
        StorageError: A bundle is damaged, or the hub refused it.
    """
    folder = Path(what)
    if not folder.is_dir() or Run(folder).facts_path.is_file():
        run = Run(folder) if folder.is_dir() else open_run(runs, study, what)
        folder = run.path / "probes"
        if not folder.is_dir():
            raise MissingInput(str(folder), found="no probes", fix="finish the run")
    cards = find_bundles(folder)
    commit = push_bundles(folder, list(cards), repo, readme=readme(repo, cards), private=not public)
    return [f"{len(cards)} probes in {repo}, commit {commit}"]


def pull(repo: str, to: Path, *, revision: str | None, model: str | None) -> list[str]:
    """Fetch the probes of a repository into a folder, a line for each.

    With a model, its weights are loaded and a probe that was fitted on another is refused.

    Raises:
        ConfigError: A probe was fitted on another model.
        MissingInput: There is no such repository or revision, or no probe in it.
        Unsafe: What is there is not what a bundle may be.
        StorageError: A file is damaged, or the hub could not be reached.
        CannotCreate: Another bundle is there already.
    """
    identity = None if model is None else load_model(ModelConfig(name=model)).identity
    found = pull_bundles(repo, to, revision=revision, model_identity=identity)
    lines = [
        f"{folder}  {card.label} h={card.horizon} at {card.site} of {card.model_name}"
        for folder, card in found.bundles.items()
    ]
    if found.left:
        lines.append(f"{len(found.left)} other files were not fetched")
    return [*lines, f"{len(found.bundles)} probes of {repo}, commit {found.commit}"]


def readme(repo: str, cards: Mapping[str, ProbeCard]) -> str:
    """The page of a repository: which probes it holds, what they are for, and how to load one."""
    rows = [_row(name, card) for name, card in cards.items()]
    uses = dict.fromkeys(card.do_not_use_for for card in cards.values())
    first = next(iter(cards))
    lines = [
        _HEADER,
        "# Probes on hidden states",
        "",
        "| folder | label | site | horizon | model | verdict |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(map(markdown_text, row))} |" for row in rows),
        "",
        "Each folder holds weights (safetensors) and a card with every score. Do not use them for:",
        "",
        *(f"- {markdown_text(use)}" for use in uses),
        "",
        "```console",
        f"$ augury probes pull {repo}",
        "```",
        "",
        "```python",
        "from pathlib import Path",
        "",
        "from augury import load_bundle",
        "",
        f"folder = Path({repo.rpartition('/')[2]!r}) / {first!r}",
        "probe, card = load_bundle(folder, model_identity=model.identity)",
        "scores = probe.score(states)  # raw states of its site, [row, hidden]",
        "```",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, card: ProbeCard) -> Sequence[str]:
    verdict = str(card.scores.get("verdict") or "not judged")
    return (name, card.label, card.site, f"{card.horizon:+d}", card.model_name, verdict)
