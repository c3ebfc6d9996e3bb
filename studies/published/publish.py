"""Copy the rows of the main studies into this folder, and write what follows from them.

    python studies/published/publish.py runs

takes ``runs/main-<workload>`` and ``runs/main-search-<workload>``, as the presets of these names leave them, and
writes

- ``<workload>``: a study's folder with all rows in one part, its study file and the record of its runs;
- ``search-<workload>``: the same of a search, and its tables;

What was published before and is not in ``runs`` stays as it is. Into ``docs/study`` go the tables, figures and page
of all published workloads together, as ``robustness report`` and ``robustness figures`` write them; ``verdicts.txt``
with the declared verdict and the secondary ones; and the front of each search.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

import analysis
from analysis.statistics.pareto import on_front
from studies.reports.figures import figures
from studies.reports.report import report
from studies.reports.search import write_search
from studies.searches.result import SearchResult, limits
from studies.searches.scoring import Scorer
from studies.spec.objectives import directions
from studies.spec.study import StudySpec
from studies.store.layout import PROVENANCE_FILE, SEARCH_FOLDER, STUDY_FILE, TASK_FILE
from studies.store.schema import ROW_SCHEMA
from studies.store.store import Store, load
from studies.store.study_folder import StoredStudy

HERE = Path(__file__).parent
DOCUMENTS = HERE.parents[1] / "docs" / "study"
SHOWN = ("forest", "profile", "error-sensitivity", "lr-error-aligned", "best-lr")
REFERENCES = ("adamw", "sgd")
KEPT = (STUDY_FILE, TASK_FILE, PROVENANCE_FILE)
CANDIDATE = "ada2ms(mixing=0.5)"
OVERRIDDEN = ("cut-window", "decay-edge")
"""Problems that the rules found after the trials had run: they are listed, and the declared decision is kept."""


def publish(source: Path, target: Path) -> None:
    """Copy a study's folder with its rows in one part, without learning curves and what follows from rows."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(source / name, target / name)
    rows = pa.Table.from_pandas(Store(source).rows(), schema=ROW_SCHEMA, preserve_index=False)
    store = Store(target)
    with store.driving():
        store.append(rows.to_pylist(), [])
    if (source / SEARCH_FOLDER).is_dir():
        left_out = shutil.ignore_patterns("*.pdf", "*.log")
        shutil.copytree(source / SEARCH_FOLDER, target / SEARCH_FOLDER, ignore=left_out)


def verdicts(folders: Sequence[Path]) -> str:
    """Return the declared verdict, and the secondary ones with Holm's correction over all of them."""
    rows = read(folders)
    others = sorted(set(rows["label"]) - {*REFERENCES, CANDIDATE})
    secondary = analysis.verdicts(rows, candidates=[CANDIDATE, *others], allow=OVERRIDDEN)
    declared = analysis.verdict(rows, candidate=CANDIDATE, allow=OVERRIDDEN)
    parts = [
        "Declared",
        declared.summary(),
        "Secondary, with Holm's correction over all candidates and parts",
    ]
    return "\n\n".join([*parts, *(one.summary() for one in secondary.values())]) + "\n"


def problem_lines(rows: pd.DataFrame) -> list[str]:
    """Return the lines of the table of ``docs/study.md`` with what today's rules find in the published rows."""
    found = analysis.check(rows)
    lines = ["| workload | label | problem | what was found |", "|---|---|---|---|"]
    return lines + [
        f"| {row.task} | {row.label} | `{row.problem}` | {row.detail} |" for row in found.itertuples()
    ]


def score_again(folder: Path) -> None:
    """Write a published search's tables and figures again, from its rows and the points that it suggested."""
    search = StudySpec.from_yaml(folder / STUDY_FILE).search
    assert search is not None
    tables = {
        name: pd.read_csv(folder / SEARCH_FOLDER / f"{name}.csv")
        for name in ("points", "references", "confirmed")
    }
    rows = load(folder)
    surfaces = dict(list(rows[rows["role"] != "confirm"].groupby("label")))
    fresh = dict(list(rows[rows["role"] == "confirm"].groupby("label")))
    scorer = Scorer(pd.concat([surfaces[name] for name in REFERENCES]), search.objectives)
    for name in ("points", "references"):
        scores = pd.DataFrame([scorer.score(surfaces[label]) for label in tables[name]["label"]])
        tables[name][scores.columns] = scores
    best_cells = (
        pd.concat([tables["points"], tables["references"]]).drop_duplicates("label").set_index("label")
    )
    again = [
        scorer.score(fresh[label], best_cells.loc[label, ["best_lr", "best_weight_decay"]])
        for label in tables["confirmed"]["label"]
    ]
    tables["confirmed"][list(again[0])] = pd.DataFrame(again)
    points = tables["points"]
    first = points["feasible"] & ~points.duplicated(list(search.space))
    kinds = directions(search.objectives, scorer.metric)
    points["on_front"] = on_front(points[first], kinds).reindex(points.index, fill_value=False)
    worst = {name: scorer.worst(name) for name in search.objectives}
    best = limits(worst, sorted(rows["lr"].unique()), scorer.ideal)
    references, confirmed = tables["references"], tables["confirmed"]
    write_search(SearchResult(search, points, best, worst, references, confirmed), Store(folder))
    for drawn in (folder / SEARCH_FOLDER).glob("*.pdf"):
        drawn.unlink()


def search_lines(folder: Path) -> list[str]:
    """Return the lines of a search's table for ``docs/study.md``: its front as found, and with fresh seeds."""
    tables = {
        name: pd.read_csv(folder / SEARCH_FOLDER / f"{name}.csv")
        for name in ("front", "references", "confirmed")
    }
    scores = pd.concat([tables["front"], tables["references"]]).set_index("label")
    lines = [
        "| optimizer | val. error, % | S | fresh: val. error, % | fresh: S | fresh: test error, % |",
        "|---|---|---|---|---|---|",
    ]
    for fresh in tables["confirmed"].to_dict("records"):
        then = scores.loc[fresh["label"]].to_dict()
        cells = [(then, "val_error"), (then, "sensitivity")]
        cells += [(fresh, "val_error"), (fresh, "sensitivity"), (fresh, "test_error")]
        lines.append(" | ".join([f"| {fresh['label']}", *(_score(row, name) for row, name in cells)]) + " |")
    return lines


def _score(row: Mapping[str, float], name: str) -> str:
    """Return a score with its 95 % interval, errors in percent."""
    middle, reach = row[name], row[f"{name}_high"] - row[name]
    if name.endswith("error"):
        return f"{100 * middle:.2f} ± {100 * reach:.2f}"
    return f"{middle:.3f} ± {reach:.3f}"


def read(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the rows that the studies in some folders ask for."""
    return pd.concat([StoredStudy.open(folder).rows for folder in folders], ignore_index=True)


def main(runs: Path) -> None:
    """Publish the complete studies and searches in ``runs``, and draw all that has been published."""
    for folder in runs.glob("main-*"):
        name = folder.name.removeprefix("main-")
        if not name.startswith("pilot-"):
            publish(folder, HERE / name)
    published = sorted(file.parent for file in HERE.glob(f"*/{STUDY_FILE}"))
    workloads = [folder for folder in published if not folder.name.startswith("search-")]
    shutil.rmtree(DOCUMENTS, ignore_errors=True)
    report(*workloads, out=DOCUMENTS, allow=OVERRIDDEN)
    figures(*workloads, only=SHOWN, formats=["png"], out=DOCUMENTS, allow=OVERRIDDEN)
    print(*problem_lines(read(workloads)), sep="\n")
    for search in sorted(HERE.glob("search-*")):
        score_again(search)
        print(search.name, *search_lines(search), sep="\n")
        shutil.copy(search / SEARCH_FOLDER / "front.png", DOCUMENTS / f"{search.name}-front.png")
    for drawn in DOCUMENTS.rglob("*.pdf"):
        drawn.unlink()
    (DOCUMENTS / "verdicts.txt").write_text(verdicts(workloads))
    print((DOCUMENTS / "verdicts.txt").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
