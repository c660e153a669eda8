"""Write a collection in the first version's layout, for plain NumPy.

run_config.json                          the config, and what the axes of the arrays are
mcq/metadata.json                        one object per question, in the order of the arrays
mcq/activations_layer_00.npy ...         float32 [question, position, hidden], output of block 0 ...
mcq/activations_final.npy                the same behind the final norm
self_conf/, other_conf/                  as mcq/

`position` counts the named positions of `run_config.json`, the last of which is the token that
answers: `acts[i, -1]`. Where all tokens were kept, prompts differ in length, so they lie one after
the other: arrays are [token, hidden], and question i has the rows `offsets[i]` up to
`offsets[i + 1]` of `mcq/offsets.npy`; its last row is the token that answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from augury.activations.store import Store
from augury.config import dump_yaml
from augury.models.sites import parse_site
from augury.plain import json_text
from augury.runs.atomic import ensure_folder, replacing, write_json, write_text
from augury.runs.folder import stored_facts
from augury.runs.progress import track
from augury.studies.introspection.collection import Collection
from augury.studies.introspection.config import POSITIONS

__all__ = ["FOLDERS", "export_collection"]

FOLDERS = {"mcq": "mcq", "self": "self_conf", "other": "other_conf"}
_RENAMED = {"rarity_mean": "token_rarity_mean", "rarity_max": "token_rarity_max"}
"""Of words by corpus frequency, under the names of the first version, which took token ids."""


def export_collection(collection: Collection, model: str, folder: Path) -> list[str]:
    """Write one model's passes into `folder`; lines that say what is there.

    Raises:
        CannotCreate: The folder cannot be written to.
        StorageError: A store is damaged, or the disk is full.
    """
    lines = []
    named = collection.config.states.rows == "named"
    for pass_ in track(collection.passes, what="exporting", unit="pass"):
        into = ensure_folder(folder / FOLDERS[pass_])
        write_text(into / "metadata.json", json_text(_metadata(collection, model, pass_), indent=1))
        store = collection.store(model, pass_)
        for site in store.sites:
            states = store[site].numpy()
            if named:
                states = states.reshape(len(store.traces), len(POSITIONS), -1)
            _save(into / f"{_file_name(site)}.npy", states)
        if not named:
            _save(into / "offsets.npy", _offsets(store))
        lines.append(f"{into}: {len(store.sites)} arrays {list(states.shape)}")
    write_json(folder / "run_config.json", _run_config(collection, model, named))
    return lines


def _metadata(collection: Collection, model: str, pass_: str) -> list[dict[str, Any]]:
    rows = collection.items(model, pass_).to_dicts()
    for row in rows:
        row["options"] = json.loads(row["options"])
        for name, first in _RENAMED.items():
            row[first] = row.pop(name)
    return rows


def _run_config(collection: Collection, model: str, named: bool) -> dict[str, Any]:
    facts = stored_facts(collection.run)
    return {
        "model": model,
        "run": collection.run.name,
        "axes": ["question", "position", "hidden"] if named else ["token", "hidden"],
        "positions": list(POSITIONS) if named else None,
        "dtype": "float32",
        "files": {site: f"{_file_name(site)}.npy" for site in collection.sites},
        "config": dump_yaml(collection.config),
        "provenance": facts["provenance"],
    }


def _file_name(site: str) -> str:
    name = parse_site(site)
    if name.kind == "resid":
        return f"activations_layer_{name.block:02d}"
    return (
        f"activations_{name.kind}"
        if name.block is None
        else f"activations_{name.kind}_{name.block:02d}"
    )


def _offsets(store: Store) -> np.ndarray:
    counts = np.bincount(store.index["trace"], minlength=len(store.traces))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
