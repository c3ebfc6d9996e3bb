"""Studies of several workloads that are reported on together: one in each folder, opened once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from studies.spec.errors import StoreError
from studies.spec.verdict import VerdictSpec
from studies.store.store import Store
from studies.store.study_folder import StoredStudy


@dataclass(frozen=True)
class Suite:
    """Studies that are reported on together. Only their study files are read before anything else is needed.

    Attributes:
        studies: In the order in which their folders were given.
        target: The folder that the report goes into.
    """

    studies: Sequence[StoredStudy]
    target: Store

    @classmethod
    def open(cls, locations: Sequence[str | Path], out: str | Path | None) -> Suite:
        """Open the studies in some folders.

        Args:
            locations: The folders.
            out: Where the report goes; the study's own folder if there is one folder.

        Raises:
            StoreError: If a folder holds no study or is given twice, or if there are several and no ``out``.
            SpecError: If the study file in a folder is not valid.
        """
        if len(locations) > 1 and out is None:
            raise StoreError(f"--out: {len(locations)} folders together need a folder to be written into")
        given = [str(location).rstrip("/") for location in locations]
        twice = [location for location in given if given.count(location) > 1]
        if twice:
            raise StoreError(f"{twice[0]}: is given {given.count(twice[0])} times; give each folder once")
        studies = [StoredStudy.open(location) for location in locations]
        return cls(studies, Store(out) if out is not None else studies[0].store)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of the trials that the studies ask for.

        Raises:
            StoreError: If a study has none yet, or two hold the same task.
        """
        holders: dict[str, str] = {}
        for study in self.studies:
            location = study.store.location
            if study.rows.empty:
                raise StoreError(f"{location}: holds no finished trial yet")
            for task in study.rows["task"].unique():
                if task in holders:
                    raise StoreError(
                        f"{location}: holds the task '{task}', and so does {holders[task]}; each of several "
                        "studies must have a task of its own"
                    )
                holders[task] = location
        return pd.concat([study.rows for study in self.studies], ignore_index=True)

    def curves(self) -> pd.DataFrame | None:
        """Return the learning curves in few bytes, since they may be millions of points; None if there are none."""
        tables = [study.store.curve_points(small=True) for study in self.studies]
        tables = [points for points in tables if points.num_rows]
        if not tables:
            return None
        return pa.concat_tables(tables).unify_dictionaries().to_pandas(self_destruct=True)

    def diagnostics(self) -> pd.DataFrame:
        """Return the second moments that were stored."""
        return pd.concat([study.store.diagnostics() for study in self.studies], ignore_index=True)

    def declared_verdict(self, allow: Sequence[str] = ()) -> VerdictSpec | str:
        """Return the verdict that all the studies declare, or a text that says why there is none to give.

        Args:
            allow: Problems that do not make it invalid, beside those that are declared.
        """
        declared = [study.spec.verdict for study in self.studies]
        if any(one != declared[0] for one in declared):
            return "the studies declare different ones"
        if declared[0] is None:
            return "the study declares none"
        return declared[0].model_copy(update={"allow": (*dict.fromkeys((*declared[0].allow, *allow)),)})
