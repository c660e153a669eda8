"""A slice of the damages; `python -m tests.faults.damage` does every bit and every cut."""

from __future__ import annotations

from pathlib import Path

from tests.faults.damage import damages, files_of_a_job


def test_damage_is_refused_or_without_effect_in_every_file_of_a_job(tmp_path: Path) -> None:
    files = files_of_a_job(tmp_path)
    assert {file.name for file in files} >= {"store.json", "journal.jsonl", "tokens.parquet"}
    assert len([file for file in files if file.suffix == ".safetensors"]) > 2
    for number, (file, read) in enumerate(files.items()):
        # A step that is coprime to 8 comes by every bit of a byte.
        looked, refused = damages(file, read, every=(61, 67, 71)[number % 3])
        assert looked > 20 and refused > 0.9 * looked, file.name
