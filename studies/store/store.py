"""The store: a study's rows, learning curves and second moments, as immutable Parquet parts in its folder.

What is stored is what has been done: planned trials less stored trials are what runs next. ``layout`` lists what else
lies in the folder. Needs neither torch nor ray, so reading a study is light.

What this covers: when ``append`` returns, the trials are on the disk, each row with its curve; whatever kills the
driver, a trial is there whole or runs again; a row that is read is one that was written. What it does not: trials
that were trained but not yet appended (``sweep.supervision`` has workers report every few seconds), a study's other
files, which are each written whole but not together, and deleted files: nothing is kept twice. How files are written
is in ``files``, how damage is noticed in ``part``, how parts are read while they change in ``table``, and how a
second driver is kept away in ``lock``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from studies.planning.known_metric import KnownMetric
from studies.spec.errors import StoreError
from studies.spec.strict_yaml import workload_name
from studies.store.files import Files, writing
from studies.store.layout import CURVES, DAMAGED, DIAGNOSTICS, ROWS, STUDY_FILE, TASK_FILE
from studies.store.lock import Lock
from studies.store.part import TableSchema, order_of
from studies.store.schema import (
    CURVE_SCHEMA,
    DIAGNOSTIC_SCHEMA,
    ROW_SCHEMA,
    by_losses,
    by_metric,
    points_by_metric,
)
from studies.store.suites.folders import study_folders
from studies.store.table import PartFolder

if TYPE_CHECKING:
    import pandas as pd

    from studies.planning.known_task import KnownTask

Row = Mapping[str, Any]

# Rows as they are stored: with whether the trial's curve was stored too, so that its loss can be noticed.
_ROWS = TableSchema(ROW_SCHEMA.append(pa.field("has_curve", pa.bool_())), frozenset({"trial_id", "status"}))
_CURVES = TableSchema(CURVE_SCHEMA, frozenset(CURVE_SCHEMA.names) - {"metric"})
_DIAGNOSTICS = TableSchema(DIAGNOSTIC_SCHEMA, frozenset(DIAGNOSTIC_SCHEMA.names))
MERGE_EVERY = 64
"""After how many appended parts to look again whether there are many to be merged."""


class Store:
    """The folder of one study.

    Anyone may read at any time; rows are written within ``driving``.

    Args:
        location: A local path, or any address that ``pyarrow.fs`` knows (``s3://bucket/folder``).

    Raises:
        StoreError: If the location cannot be understood.
    """

    def __init__(self, location: str | Path) -> None:
        self.files = Files(location)
        self.location, self.root = self.files.location, self.files.root
        self._rows = PartFolder(self.files, ROWS, _ROWS)
        self._curves = PartFolder(self.files, CURVES, _CURVES)
        self._diagnostics = PartFolder(self.files, DIAGNOSTICS, _DIAGNOSTICS)
        self._lock: Lock | None = None
        self._order = self._appended = 0

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Be the one driver of the folder: set damaged parts aside, and merge small ones now and then.

        Raises:
            StoreError: If another driver has the folder, a newer version has written to it, or it cannot be
                written to.
            SweepError: If the disk is full.
        """
        with ExitStack() as stack:
            stack.callback(self.files.delete_if_empty, self.files.folders_to_make())
            with writing(self.location, started=False):
                self._lock = stack.enter_context(Lock(self.files))
                for table in (self._rows, self._curves, self._diagnostics):
                    table.tidy()
                    table.merge()
                    self._order = max([self._order, *map(order_of, table.sizes())])
            try:
                yield
            finally:
                self._lock = None

    def read_file(self, name: str) -> bytes | None:
        """Return what a file beside the tables holds, or None if there is none."""
        try:
            return self.files.read(name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_study(self) -> str | None:
        """Return the text of the study file in the folder, or None if there is none.

        Raises:
            StoreError: If it is no text.
        """
        content = self.read_file(STUDY_FILE)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            raise StoreError(f"{self.location}/{STUDY_FILE}: must be text in UTF-8, but is binary") from None

    def existing_study(self) -> str:
        """Return the text of the study file in the folder.

        Raises:
            StoreError: If there is none, or it is no text.
        """
        text = self.read_study()
        if text is None:
            raise StoreError(f"{self.location}: holds no study (there is no {STUDY_FILE} in it)")
        return text

    def write_study(self, text: str) -> None:
        """Make the folder and write the study file into it.

        Raises:
            StoreError: If the folder cannot be written to.
            SweepError: If the disk is full.
        """
        with writing(self.location, started=False):
            self.files.write(STUDY_FILE, text.encode())

    def write_file(self, name: str, content: bytes) -> None:
        """Write a file beside the tables, whole or not at all.

        Raises:
            SweepError: If it cannot be written.
        """
        with writing(self.location):
            self.files.write(name, content)

    def append(self, rows: Sequence[Row], curves: Sequence[Row], diagnostics: Sequence[Row] = ()) -> None:
        """Store finished trials; once this returns, they are on the disk.

        Curves and diagnostics are written before the rows that vouch for them, without which they are not read. A
        trial that is stored already is replaced.

        Raises:
            SweepError: If they cannot be written, or another driver has taken the folder over.
        """
        if not rows:
            return
        if self._lock is not None:
            self._lock.check()
        with_curve = {point["trial_id"] for point in curves}
        records = [{**row, "has_curve": row["trial_id"] in with_curve} for row in rows]
        tables = [
            (self._curves, pa.Table.from_pylist([*curves], schema=CURVE_SCHEMA)),
            (self._diagnostics, pa.Table.from_pylist([*diagnostics], schema=DIAGNOSTIC_SCHEMA)),
            (self._rows, pa.Table.from_pylist(records, schema=_ROWS.columns)),
        ]
        self._order = max(self._order + 1, time.time_ns() // 1000)
        with writing(self.location):
            for table, content in tables:
                if content.num_rows:
                    table.append(content, self._order)
            self._appended += 1
            if self._lock is not None and self._appended % MERGE_EVERY == 0:
                self._rows.merge()
                self._curves.merge()
                self._diagnostics.merge()

    def trial_ids(self) -> set[str]:
        """Return the ids of all stored trials, except those whose curve was lost with a damaged part."""
        if any(name.startswith(self._curves.name) for name in self.files.list(DAMAGED)):
            rows = self._rows.read(["trial_id", "has_curve"])
            whole = pc.invert(pc.fill_null(rows["has_curve"], False))
            found = pc.is_in(rows["trial_id"], pc.unique(self._curves.read(["trial_id"])["trial_id"]))
            rows = rows.filter(pc.or_(whole, found))
        else:
            rows = self._rows.read(["trial_id"])
        return set(rows["trial_id"].to_pylist())

    def rows(self, by: KnownTask | None = None) -> pd.DataFrame:
        """Return one row per stored trial, in a fixed order, with the columns of ``ROW_SCHEMA``.

        Rows of any age are read by today's rule of what divergence is (``studies.store.schema.by_losses``), and by
        the metric that the folder's study was last judged by, where it follows from their losses or accuracies.

        Args:
            by: The task whose rows are to be judged by its metric; default: the one that the folder remembers.
        """
        frame = _frame(self._rows.read(ROW_SCHEMA.names)).drop_duplicates("trial_id", keep="last")
        order = ["task", "label", "role", "grad_scale", "weight_decay", "lr", "seed", "trial_id"]
        frame = by_losses(frame).sort_values(order, ignore_index=True)
        task, metric = self._judged_by() if by is None else (by.name, by.metric)
        return frame if metric is None else by_metric(frame, task, metric)

    def _judged_by(self) -> tuple[str, KnownMetric | None]:
        """Return the task that the folder remembers, and its metric; None where it remembers none."""
        try:
            content = json.loads(self.read_file(TASK_FILE) or b"null")
            return content["name"], KnownMetric.read(content["metric"])
        except (ValueError, TypeError, KeyError, RecursionError):  # said where the task itself is needed
            return "", None

    def curves(self) -> pd.DataFrame:
        """Return the learning curves of all stored trials, with the columns of ``CURVE_SCHEMA``."""
        return _frame(self.curve_points()).sort_values(["trial_id", "epoch", "split"], ignore_index=True)

    def curve_points(self, *, small: bool = False) -> pa.Table:
        """Return the points of ``curves`` in no order.

        Args:
            small: Whether text comes as dictionaries and numbers in half their bytes, as for millions of points.
        """
        points = self._beside(self._curves, small=small)
        task, metric = self._judged_by()
        if metric is None:
            return points
        return points_by_metric(points, self._rows.read(["trial_id", "task", "metric"]), task, metric)

    def diagnostics(self) -> pd.DataFrame:
        """Return the second moments of all stored trials, with the columns of ``DIAGNOSTIC_SCHEMA``."""
        points = _frame(self._beside(self._diagnostics))
        return points.sort_values(["trial_id", "epoch"], kind="stable", ignore_index=True)

    def _beside(self, table: PartFolder, *, small: bool = False) -> pa.Table:
        """Return the points in ``table`` that belong to stored trials."""
        points = table.read(small=small)
        vouched = pc.is_in(points["trial_id"], pc.unique(self._rows.read(["trial_id"])["trial_id"]))
        return points if pc.all(vouched).as_py() else points.filter(vouched)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a DataFrame whose types do not depend on its values: nulls do not turn integers into floats."""
    import pandas as pd

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=types.get)


def load(location: str | Path) -> pd.DataFrame:
    """Read the rows of the study in a folder, one per trial (columns: ``studies.store.schema.ROW_SCHEMA``).

    All of them have the workload that the study file names now; those of a suite are the rows of all its workloads.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is no YAML mapping.
    """
    return _read(location, _rows_named)


def load_curves(location: str | Path) -> pd.DataFrame:
    """Read the learning curves of the study in a folder (columns: ``CURVE_SCHEMA``).

    Raises:
        StoreError: If the folder holds no study.
    """
    return _read(location, Store.curves)


def load_diagnostics(location: str | Path) -> pd.DataFrame:
    """Read the second moments of the study in a folder (columns: ``DIAGNOSTIC_SCHEMA``), layers in the model's order.

    Raises:
        StoreError: If the folder holds no study.
    """
    return _read(location, Store.diagnostics)


def _rows_named(store: Store) -> pd.DataFrame:
    """Return the rows of a study with the workload that its file names."""
    import pandas as pd

    rows = store.rows()
    name = workload_name(store.existing_study(), f"{store.location}/{STUDY_FILE}")
    return rows.assign(workload=pd.Series(name, index=rows.index, dtype="str"))


def _read(location: str | Path, table: Callable[[Store], pd.DataFrame]) -> pd.DataFrame:
    """Return a table of the study in a folder, or those of a suite's workloads together."""
    import pandas as pd

    tables = []
    for store in map(Store, study_folders(location)):
        store.existing_study()
        tables.append(table(store))
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
