"""The HTML page of one study or several, with where its numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from analysis.page.figures import PageFigures
from analysis.page.page import page
from robustness import __version__
from studies.planning.changes import mixed_code
from studies.reports.suite import Suite
from studies.store.provenance import read_runs
from studies.store.schema import HYPERPARAMETERS
from studies.store.study_folder import StoredStudy


def html_report(
    suite: Suite,
    rows: pd.DataFrame,
    curves: pd.DataFrame | None,
    *,
    tables: Mapping[str, pd.DataFrame],
    verdict: Sequence[str],
    figures: PageFigures,
    left_out: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        suite: The studies that it is about, and the files.
        rows: Of all of them.
        curves: Output of ``Suite.curves``.
        tables: Output of ``analysis.tables``, and ``analysis.summary`` as ``summary``.
        verdict: A text for each candidate; empty if the studies declare no verdict.
        figures: Those beside the explorer.
        left_out: Lines that say which tables are left out, and why.

    Raises:
        StoreError: If the record of a study's runs is damaged.
    """
    return page(
        rows,
        title=", ".join([study.spec.name for study in suite.studies] + [file.name for file in suite.files]),
        tables=tables,
        verdict=verdict,
        curves=curves,
        hyperparameters=list(HYPERPARAMETERS),
        figures=figures,
        provenance=[
            *(_provenance(study, named) for study, named in zip(suite.studies, suite.named, strict=False)),
            *({"rows from": file.location, "runs": f"{len(file.rows):,}"} for file in suite.files),
        ],
        left_out=left_out,
    )


def _provenance(study: StoredStudy, rows: pd.DataFrame) -> dict[str, str]:
    """Return where a study's rows come from: which runs, on what hardware, with which versions."""
    runs, name = read_runs(study.store), rows["task"].iloc[0]
    seeds = rows.groupby("role")["seed"].nunique()
    facts = {
        "study": study.spec.name,
        "workload": name if name != study.spec.task.name else "",
        "trials": f"{len(rows):,} of {sum(study.planned.values()):,} planned",
        "seeds": ", ".join(f"{role}: n = {count}" for role, count in seeds.items()),
        "engine, device": "; ".join(_distinct(rows["engine"] + ", " + rows["device"])),
        "runs": "; ".join(_run(run) for run in runs),
        "hardware": "; ".join(_distinct(_hardware(run.get("hardware", {})) for run in runs)),
        "task's code": mixed_code(rows) or "",
        "versions": "; ".join(_distinct(_versions(run.get("versions", {})) for run in runs)),
        "commit": "; ".join(_distinct(_commit(run.get("git") or {}) for run in runs)),
        "report written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by version {__version__}",
        "study file": study.spec.to_yaml(),
    }
    return {name: value for name, value in facts.items() if value}


def _distinct(texts: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(text) for text in texts if isinstance(text, str) and text))


def _run(run: Mapping[str, Any]) -> str:
    return f"{run.get('start')} to {run.get('end') or 'unknown'}: {run.get('outcome')}"


def _hardware(known: Mapping[str, Any]) -> str:
    memory = known.get("memory_bytes")
    parts = [known.get("processor"), f"{known['cores']} cores" if "cores" in known else None]
    parts += [f"{memory / 1e9:.0f} GB" if memory else None, *known.get("gpus", ())]
    return ", ".join(str(part) for part in parts if part)


def _versions(known: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in known.items() if number)


def _commit(git: Mapping[str, Any]) -> str:
    project = git.get("project") or {}
    return (
        f"{project['commit']}{' with changes' if project.get('dirty') else ''}" if "commit" in project else ""
    )
