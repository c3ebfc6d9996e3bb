"""The live view of a study that runs elsewhere: how far it is, how fast, and its surfaces filling in.

It reads the store, which anyone may do at any time, and takes no lock.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from analysis.summaries.report_tables import accuracy_sentence, tasks_without_accuracy
from studies.planning.trials import planned_cells
from studies.spec.study import StudySpec
from studies.store.lock import drivers
from studies.store.provenance import read_runs
from studies.store.study_folder import STATUSES, StoredStudy, StudyProgress
from studies.store.suites.folders import study_folders
from studies.terminal.minimaps import minimap, minimaps, shown_values
from studies.terminal.text import table

EVERY_SECONDS = 2.0
BUSY_SHARE = 0.2
"""The largest share of the time that is spent on reading the store, however large the study is."""
RECENT_SECONDS = 60.0
"""The rate is that of this last stretch of time."""
WORKERS_SHOWN = 16


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        spec: The study.
        progress: Its rows, and how many trials of each label it wants.
        drivers: The processes that run it, as far as this machine can tell.
        busy_seconds: How long all its runs together have taken so far.
        at: When it was read, by ``time.monotonic``.
    """

    spec: StudySpec
    progress: StudyProgress
    drivers: Sequence[str]
    busy_seconds: float
    at: float

    @property
    def done(self) -> int:
        """How many trials are stored."""
        return len(self.progress.rows)

    @property
    def missing(self) -> int:
        """How many trials are planned and not stored; a stage is planned once the one before it is stored."""
        return max(0, sum(self.progress.planned.values()) - self.done)


def snapshot(location: str | Path, *, waits: bool = False) -> Snapshot:
    """Read the study in a folder.

    Args:
        location: The folder.
        waits: Whether it is not at work, though its folder is held: other workloads of its suite come first.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    study = StoredStudy.open(location)
    alive = [str(driver) for driver in drivers(study.store.files)]
    busy = _busy_seconds(read_runs(study.store), bool(alive) and not waits)
    return Snapshot(study.spec, study.progress, alive, busy, time.monotonic())


def snapshots(location: str | Path) -> list[Snapshot]:
    """Read the study in a folder, or those of a suite's workloads, which are run in this order.

    Raises:
        StoreError: If a folder holds no study.
        SpecError: If a study file is not valid.
    """
    found: list[Snapshot] = []
    for folder in study_folders(location):
        found.append(snapshot(folder, waits=any(one.missing for one in found)))
    return found


def whole(workloads: Sequence[Snapshot]) -> Snapshot:
    """Return all workloads of a suite as if they were one study."""
    rows = pd.concat([one.progress.rows for one in workloads], ignore_index=True)
    planned = sum((Counter(one.progress.planned) for one in workloads), Counter())
    return Snapshot(
        workloads[0].spec.model_copy(update={"workload": None}),
        StudyProgress(rows, planned),
        workloads[0].drivers,
        sum(one.busy_seconds for one in workloads),
        workloads[0].at,
    )


def watch(location: str | Path, console: Console, *, once: bool = False) -> None:
    """Show the study or suite in a folder until all of its trials are done, or until Ctrl-C.

    Args:
        location: The folder.
        console: Where it is shown, redrawn in place.
        once: Show it once.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    seen = deque([snapshots(location)])
    if once:
        console.print(suite_view(seen))
        return
    try:
        with Live(suite_view(seen), console=console, auto_refresh=False) as live:
            while any(one.missing for one in seen[-1]):
                time.sleep(EVERY_SECONDS)
                started = time.monotonic()
                seen.append(snapshots(location))
                while seen[-1][0].at - seen[0][0].at > RECENT_SECONDS:
                    seen.popleft()
                live.update(suite_view(seen), refresh=True)
                time.sleep((time.monotonic() - started) * (1 / BUSY_SHARE - 1))
    except KeyboardInterrupt:
        console.print("the study itself goes on" if seen[-1][0].drivers else "", highlight=False)


def rate(seen: Sequence[Snapshot]) -> float | None:
    """Return trials per second: while watching, or over all runs if none came in meanwhile; None if unknown."""
    first, last = seen[0], seen[-1]
    if last.done > first.done:
        return (last.done - first.done) / (last.at - first.at)
    return last.done / last.busy_seconds if last.busy_seconds > 0 and last.done else None


def suite_view(seen: Sequence[Sequence[Snapshot]]) -> RenderableType:
    """Return the view of a study; of a suite, a line for each workload and the view of the one that is at work."""
    last = seen[-1]
    if len(last) == 1:
        return view([moment[0] for moment in seen])
    together = [whole(moment) for moment in seen]
    lines = [
        (str(one.spec.workload), one.done + one.missing, *_counts(one.progress.rows), one.missing)
        for one in last
    ]
    now = next((one for one in last if one.missing), last[-1]).spec.workload
    return Group(
        Text(f"{together[-1].spec.title}: {headline(together)}", style="bold"),
        table(["workload", "planned", *STATUSES, "missing"], lines),
        view([one for moment in seen for one in moment if one.spec.workload == now]),
    )


def _counts(rows: pd.DataFrame) -> list[int]:
    counts = rows["status"].value_counts()
    return [int(counts.get(status, 0)) for status in STATUSES]


def view(seen: Sequence[Snapshot]) -> RenderableType:
    """Return the view: a line, surfaces, and tables by optimizer and by worker."""
    last = seen[-1]
    return Group(
        Text(f"{last.spec.title}: {headline(seen)}", style="bold"),
        *_surfaces(last),
        _by_label(last.progress),
        by_worker(last.progress.rows),
    )


def _surfaces(snapshot: Snapshot) -> list[RenderableType]:
    """Return the surfaces under a line that explains them, or the line that says why there are none."""
    rows, planned = snapshot.progress.rows, snapshot.progress.planned
    if lacking := tasks_without_accuracy(rows):
        return [Text(accuracy_sentence(lacking), style="dim")]
    cells = planned_cells(snapshot.spec)
    maps = minimaps(rows, cells[cells["label"].isin(planned.keys())])
    legend = f"{shown_values(rows)}, mean over seeds; ·· not trained yet, xx diverged, !! failed"
    surfaces = [minimap(label, one) for label, one in maps.items()]
    return [Text(legend, style="dim"), Columns(surfaces, padding=(0, 3))]


def headline(seen: Sequence[Snapshot]) -> str:
    """Return how far a study is in one line."""
    last = seen[-1]
    parts = [f"{last.done}/{last.done + last.missing} trials"]
    counts = zip(_counts(last.progress.rows), STATUSES, strict=True)
    parts += [f"{count} {status}" for count, status in list(counts)[1:]]
    speed = rate(seen)
    if speed is not None:
        parts.append(f"{speed:.3g} trials/s")
    if not last.missing:
        parts.append("complete")
    elif not last.drivers:
        parts.append("not running")
    elif speed is not None:
        parts.append(f"ETA {_duration(last.missing / speed)}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"


def _by_label(progress: StudyProgress) -> RenderableType:
    lines = list(progress.counts().itertuples(name=None))
    return table(["optimizer", "planned", *STATUSES], lines)


def by_worker(rows: pd.DataFrame) -> RenderableType:
    """Return a table of the workers that trained, as far as rows tell; those that trained least share a line."""
    groups = rows.fillna({"worker": "not known"}).groupby(["worker", "device", "engine"])["wall_seconds"]
    workers = groups.agg(["size", "sum"]).sort_values("size", ascending=False, kind="stable").reset_index()
    lines = [
        [worker, device, engine, size, f"{seconds:.0f} s"]
        for worker, device, engine, size, seconds in workers[:WORKERS_SHOWN].itertuples(index=False)
    ]
    rest = workers[WORKERS_SHOWN:]
    if len(rest):
        lines.append([f"{len(rest)} more", "", "", rest["size"].sum(), f"{rest['sum'].sum():.0f} s"])
    return table(["worker", "device", "engine", "trials", "training took"], lines)


def _busy_seconds(runs: Sequence[Mapping[str, Any]], running: bool) -> float:
    """Return how long runs took, without those that were killed: nobody knows when."""
    total = 0.0
    for number, run in enumerate(runs, 1):
        begin = datetime.fromisoformat(run["start"])
        if run.get("end"):
            total += (datetime.fromisoformat(run["end"]) - begin).total_seconds()
        elif running and number == len(runs):
            total += (datetime.now(UTC) - begin).total_seconds()
    return total
