"""The names of everything in a study's folder, each said once.

    study.yaml            the study, resolved
    task.json             which version of its task was trained
    own_code.json         what the user's own optimizers take, and which code they and schedules are made of
    provenance.json       every run: command, versions, hardware, outcome
    rows/ curves/ diagnostics/    Parquet parts: a row per trial; per trial, epoch and split; per layer
    damaged/              parts that were found damaged, kept
    driver-*.lock         while a driver is at work
    *.writing             a file that is not whole yet; no reader looks at it
    run.log               what the runs logged
    checkpoints/          long trials that are not finished
    search/               the search that was begun here: its record, its journal, its tables and figures
    tensorboard/          a run per trial, with `--log tensorboard`
    summary.csv tables/ figures/ report.html    what a report wrote

A suite's folder has ``study.yaml``, what a report over all its workloads wrote, and a folder of a study for each of
them, which is called as the workload is.

These names are on users' disks: they stay.
"""

from __future__ import annotations

from pathlib import Path

STUDY_FILE = "study.yaml"
TASK_FILE = "task.json"
OWN_CODE_FILE = "own_code.json"
PROVENANCE_FILE = "provenance.json"
RUN_LOG = "run.log"

ROWS = "rows"
CURVES = "curves"
DIAGNOSTICS = "diagnostics"
DAMAGED = "damaged"
PART_SUFFIX = ".parquet"

LOCK_PREFIX, LOCK_SUFFIX = "driver-", ".lock"
WRITING_SUFFIX = ".writing"

CHECKPOINTS = "checkpoints"
CHECKPOINT_SUFFIX = ".pt"

SEARCH_FOLDER = "search"
SEARCH_RECORD = f"{SEARCH_FOLDER}/search.yaml"
SEARCH_JOURNAL = f"{SEARCH_FOLDER}/journal.log"

TENSORBOARD_FOLDER = "tensorboard"

SUMMARY_TABLE = "summary.csv"
TABLES_FOLDER = "tables"
FIGURES_FOLDER = "figures"
REPORT_PAGE = "report.html"

NOT_WORKLOADS = frozenset({
    STUDY_FILE, TASK_FILE, OWN_CODE_FILE, PROVENANCE_FILE, RUN_LOG, ROWS, CURVES, DIAGNOSTICS, DAMAGED, CHECKPOINTS,
    SEARCH_FOLDER, TENSORBOARD_FOLDER, SUMMARY_TABLE, TABLES_FOLDER, FIGURES_FOLDER, REPORT_PAGE,
})  # fmt: skip
"""What no workload may be called, because its folder lies beside these."""


def default_folder(study: str) -> Path:
    """Return the folder of the study of that name where none is given: ``runs/<study>``."""
    return Path("runs") / study
