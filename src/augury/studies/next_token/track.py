"""Stage `track`: tell an experiment tracker what was found, where that is asked for."""

from __future__ import annotations

from augury.evaluate.stored import read_results
from augury.evaluate.table import result_row
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.judge import CELLS, SITES
from augury.studies.next_token.sites import read_sites, site_columns
from augury.studies.tracking import track_run

__all__ = ["TRACKED", "track_probes"]

TRACKED = "results/tracking.json"


def track_probes(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Log one step per site and horizon, and note the tracker's id of the run."""
    pairs = zip(read_sites(run.path / SITES), read_results(run.path / CELLS), strict=True)
    found = track_run(
        run,
        config.tracking,
        study="next-token",
        settings=config.model_dump(mode="json"),
        rows=[site_columns(site) | result_row(result) for site, result in pairs],
    )
    facts: dict[str, object] = {"project": config.tracking.project, "id": found}
    write_json(run.path / TRACKED, facts)
    return facts
