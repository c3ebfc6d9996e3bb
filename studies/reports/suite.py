"""Studies of several workloads that are reported on together: one in each folder, or rows in a file, opened once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from analysis.trials import TRAIN_ACCURACY, TRAIN_METRIC, has_train
from analysis.workloads import by_workload
from studies.reports.rows_file import READERS, RowsFile, is_rows_file
from studies.reports.workloads import called, workloads_of
from studies.spec.errors import InputError, StoreError
from studies.spec.verdict import VerdictSpec
from studies.store.schema import DIAGNOSTIC_SCHEMA
from studies.store.store import Store
from studies.store.study_folder import StoredStudy


@dataclass(frozen=True)
class Suite:
    """Studies that are reported on together. Only their study files are read before anything else is needed.

    Attributes:
        studies: In the order in which their folders were given.
        target: The folder that the report goes into.
        files: Rows from files, in the order in which those were given.
    """

    studies: Sequence[StoredStudy]
    target: Store
    files: Sequence[RowsFile] = ()

    @classmethod
    def open(
        cls, locations: Sequence[str | Path], out: str | Path | None, columns: str | Path | None = None
    ) -> Suite:
        """Open the studies in some folders, and read the rows in files.

        Args:
            locations: The folders and files.
            out: Where the report goes; the study's own folder if there is one folder.
            columns: What the columns of the files are called, as for ``RowsFile.read``.

        Raises:
            StoreError: If a folder holds no study or is given twice, or if there are several and no ``out``.
            SpecError: If the study file in a folder is not valid.
            InputError: If a file does not hold the rows that are needed.
        """
        files = [location for location in locations if is_rows_file(location)]
        if columns is not None and not files:
            raise InputError(
                f"--columns: {columns}: is for files of rows ({', '.join(READERS)}), and none is given"
            )
        if files and out is None:
            raise StoreError(f"--out: {files[0]}: the report of a file needs a folder to be written into")
        if len(locations) > 1 and out is None:
            raise StoreError(f"--out: {len(locations)} folders together need a folder to be written into")
        given: dict[str, str | Path] = {}
        for location in locations:
            folder = Store(location).files.identity
            if folder in given:
                first = "" if str(given[folder]) == str(location) else f", as {given[folder]} too"
                raise StoreError(f"{location}: is given twice{first}; each folder may be in a report once")
            given[folder] = location
        studies = [StoredStudy.open(location) for location in locations if location not in files]
        target = Store(out) if out is not None else studies[0].store
        return cls(studies, target, [RowsFile.read(file, columns) for file in files])

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of the trials that the studies ask for, and those of the files; task is the workload's name.

        Raises:
            StoreError: If a study has none yet, or two hold the same workload.
        """
        # the generalization gap is of all rows or of none
        lacking = not all(has_train(file.rows) for file in self.files)
        together = pd.concat(self.named, ignore_index=True)
        return together.drop(columns=[*TRAIN_ACCURACY, *TRAIN_METRIC] if lacking else [], errors="ignore")

    @cached_property
    def named(self) -> list[pd.DataFrame]:
        """The rows of each study, and then of each file, by the names of their workloads."""
        parts: list[tuple[str, pd.DataFrame, StoredStudy | None]]
        parts = [(study.store.location, study.rows, study) for study in self.studies]
        parts += [(file.location, file.rows, None) for file in self.files]
        for location, rows, _ in parts:
            if rows.empty:
                raise StoreError(f"{location}: holds no finished trial yet")
        held = [workloads_of(*part) for part in parts]
        names = iter(called([workload for workloads in held for workload in workloads]))
        named = []
        for (_, rows, _), workloads in zip(parts, held, strict=True):
            own = by_workload(rows)
            new = {workload.name or workload.task: next(names) for workload in workloads}
            named.append(own.assign(task=own["task"].astype("str").map(new)))
        return named

    def curves(self) -> pd.DataFrame | None:
        """Return the learning curves in few bytes, since they may be millions of points; None if there are none."""
        tables = [study.store.curve_points(small=True) for study in self.studies]
        tables = [points for points in tables if points.num_rows]
        if not tables:
            return None
        return pa.concat_tables(tables).unify_dictionaries().to_pandas(self_destruct=True)

    def diagnostics(self) -> pd.DataFrame:
        """Return the second moments that were stored."""
        tables = [study.store.diagnostics() for study in self.studies]
        return pd.concat(tables or [DIAGNOSTIC_SCHEMA.empty_table().to_pandas()], ignore_index=True)

    def declared_verdict(self, allow: Sequence[str] = ()) -> VerdictSpec | str:
        """Return the verdict that all the studies declare, or a text that says why there is none to give.

        Args:
            allow: Problems that do not make it invalid, beside those that are declared.
        """
        if self.files:
            return "rows from files declare none"
        declared = [study.spec.verdict for study in self.studies]
        if any(one != declared[0] for one in declared):
            return "the studies declare different ones"
        if declared[0] is None:
            return "the study declares none"
        return declared[0].model_copy(update={"allow": (*dict.fromkeys((*declared[0].allow, *allow)),)})
