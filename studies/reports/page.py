"""The HTML report of one study or several: what the page is given, from their folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure

from analysis.page import page
from studies.asked import Asked
from studies.provenance import read_runs, versions
from studies.results import Store
from studies.schema import HYPERPARAMETERS

FILE = "report.html"


def html_report(
    studies: Sequence[tuple[Store, Asked]],
    rows: pd.DataFrame,
    curves: pd.DataFrame | None,
    *,
    tables: Mapping[str, pd.DataFrame],
    verdict: Sequence[str],
    figures: Mapping[str, Figure],
) -> str:
    """Return the page of some studies.

    Args:
        studies: Each with its store.
        rows: Those of all of them.
        curves: Output of ``read_curves``.
        tables: Output of ``analysis.tables``, and ``analysis.summary`` as ``summary``.
        verdict: A text for each candidate; none if the studies declare no verdict.
        figures: By caption.

    Raises:
        StoreError: If the record of a study's runs is damaged.
    """
    return page(
        rows,
        title=", ".join(asked.spec.name for _, asked in studies),
        tables=tables,
        verdict=verdict,
        curves=curves,
        hyperparameters=list(HYPERPARAMETERS),
        figures=figures,
        provenance=[_provenance(store, asked) for store, asked in studies],
    )


def read_curves(locations: Iterable[str | Path]) -> pd.DataFrame | None:
    """Return the learning curves in some folders: perhaps millions of points, so in as few bytes as they need."""
    tables = [Store(location).curve_points(small=True) for location in locations]
    tables = [points for points in tables if points.num_rows]
    return pa.concat_tables(tables).unify_dictionaries().to_pandas(self_destruct=True) if tables else None


def _provenance(store: Store, asked: Asked) -> dict[str, str]:
    """Say where a study's rows come from: how many, from which runs, on what, with which versions."""
    rows, runs = asked.rows, read_runs(store)
    seeds = rows.groupby("role")["seed"].nunique()
    said = {
        "study": asked.spec.name,
        "trials": f"{len(rows):,} of {sum(asked.planned.values()):,} planned",
        "seeds": ", ".join(f"{role}: n = {count}" for role, count in seeds.items()),
        "engine, device": "; ".join(_distinct(rows["engine"] + ", " + rows["device"])),
        "runs": "; ".join(_run(run) for run in runs),
        "hardware": "; ".join(_distinct(_hardware(run.get("hardware", {})) for run in runs)),
        "versions": "; ".join(_distinct(_versions(run.get("versions", {})) for run in runs)),
        "commit": "; ".join(_distinct(_commit(run.get("git") or {}) for run in runs)),
        "report written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by version {versions()['ada2ms-robustness']}",
        "study file": asked.spec.to_yaml(),
    }
    return {name: value for name, value in said.items() if value}


def _distinct(texts: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(text) for text in texts if isinstance(text, str) and text))


def _run(run: Mapping[str, Any]) -> str:
    return f"{run.get('start')} to {run.get('end') or 'unknown'}: {run.get('outcome')}"


def _hardware(found: Mapping[str, Any]) -> str:
    memory = found.get("memory_bytes")
    parts = [found.get("processor"), f"{found['cores']} cores" if "cores" in found else None]
    parts += [f"{memory / 1e9:.0f} GB" if memory else None, *found.get("gpus", ())]
    return ", ".join(str(part) for part in parts if part)


def _versions(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items() if number)


def _commit(git: Mapping[str, Any]) -> str:
    project = git.get("project") or {}
    return (
        f"{project['commit']}{' with changes' if project.get('dirty') else ''}" if "commit" in project else ""
    )
