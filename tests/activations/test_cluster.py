"""How a cluster is shared out, and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from augury.activations.cluster import Shares, connected, share_out
from augury.errors import MissingInput, UsageError
from augury.studies.reading import ReadingJob, run_job

GPU_NODE, CPU_NODE, HEAD = {"CPU": 16.0, "GPU": 4.0}, {"CPU": 3.0}, {"CPU": 0.0}


@pytest.mark.parametrize(
    ("nodes", "workers", "use_gpus", "expected"),
    [
        ([HEAD, GPU_NODE, GPU_NODE], None, True, Shares(8, gpus=1, cpus=1)),
        ([HEAD, GPU_NODE, GPU_NODE], 3, True, Shares(3, gpus=1, cpus=1)),
        ([HEAD, GPU_NODE, GPU_NODE], None, False, Shares(2, gpus=0, cpus=16)),
        ([CPU_NODE, CPU_NODE], None, True, Shares(2, gpus=0, cpus=3)),
        # Six cores among three workers are not two each: a worker stands on one node.
        ([CPU_NODE, CPU_NODE], 3, True, Shares(3, gpus=0, cpus=1)),
        ([HEAD, {"CPU": 2.0}], 2, True, Shares(2, gpus=0, cpus=1)),
    ],
)
def test_every_worker_has_a_gpu_or_as_many_cores_as_all_can_have(
    nodes: list[dict[str, float]], workers: int | None, use_gpus: bool, expected: Shares
) -> None:
    assert share_out(nodes, workers=workers, use_gpus=use_gpus) == expected


@pytest.mark.parametrize(
    ("nodes", "workers", "most"),
    [([GPU_NODE], 5, "4, the GPUs"), ([CPU_NODE], 4, "3, the cores"), ([HEAD], None, "0, the")],
)
def test_a_worker_that_would_wait_for_ever_is_refused(
    nodes: list[dict[str, float]], workers: int | None, most: str
) -> None:
    with pytest.raises(UsageError, match=f"--workers.*from 1 to {most}"):
        share_out(nodes, workers=workers, use_gpus=True)


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingInput, match=r"pip install 'augury\[ray\]'"), connected():
        pass


def test_workers_of_the_local_engine_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    job = ReadingJob.model_validate({"reading": {"sites": ("embed",)}})
    with pytest.raises(UsageError, match="--engine ray"):
        run_job(job, tmp_path / "out", workers=2)
    assert not (tmp_path / "out").exists()
