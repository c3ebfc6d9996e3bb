"""The schema of a row, and the store: immutable Parquet parts in a study's folder.

A folder holds ``study.yaml`` (the resolved study), ``rows/*.parquet`` (one row per trial) and
``curves/*.parquet`` (one row per trial, epoch and split). What is stored is what has been done: planned trials
less stored trials are what runs next. Needs neither torch nor ray, so reading a study is light.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from studies.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

HYPERPARAMETERS = {
    "momentum": pa.float64(),
    "nesterov": pa.bool_(),
    "beta1": pa.float64(),
    "beta2": pa.float64(),
    "eps": pa.float64(),
    "mixing": pa.float64(),
    "mixing_end": pa.float64(),
    "mixing_steps": pa.int64(),
    "mixing_schedule": pa.string(),
    "scope": pa.string(),
    "exponent": pa.float64(),
    "p": pa.float64(),
    "q": pa.float64(),
    "switch_rate": pa.float64(),
}

ROW_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "study": pa.string(),
        "task": pa.string(),
        "optimizer": pa.string(),
        "label": pa.string(),
        "lr": pa.float64(),
        "weight_decay": pa.float64(),
        "grad_scale": pa.float64(),
        "seed": pa.int64(),
        "role": pa.string(),
        "epochs": pa.int64(),
        "batch_size": pa.int64(),
        "schedule": pa.string(),
        "setup": pa.string(),
        "task_version": pa.string(),
        **HYPERPARAMETERS,
        "status": pa.string(),
        "stopped_step": pa.int64(),
        "reason": pa.string(),
        "init_loss": pa.float64(),
        "chance_accuracy": pa.float64(),
        "train_loss": pa.float64(),
        "train_accuracy": pa.float64(),
        "val_loss": pa.float64(),
        "val_accuracy": pa.float64(),
        "test_loss": pa.float64(),
        "test_accuracy": pa.float64(),
        "lambda_max": pa.float64(),
        "hessian_trace": pa.float64(),
        "sam_sharpness": pa.float64(),
        "wall_seconds": pa.float64(),
        "device": pa.string(),
        "pack_id": pa.string(),
        "engine": pa.string(),
        "version": pa.string(),
    }
)
CURVE_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "epoch": pa.int64(),
        "split": pa.string(),
        "loss": pa.float64(),
        "accuracy": pa.float64(),
    }
)

STUDY_FILE = "study.yaml"

Row = Mapping[str, Any]


class Store:
    """The folder of one study.

    Args:
        location: A local path, or any address that ``pyarrow.fs`` knows (``s3://bucket/folder``).

    Raises:
        StoreError: If the location cannot be understood.
    """

    def __init__(self, location: str | Path) -> None:
        self.location = str(location)
        try:
            if "://" in self.location:
                self.fs, self.root = pafs.FileSystem.from_uri(self.location)
            else:
                self.fs, self.root = pafs.LocalFileSystem(), str(Path(self.location).absolute())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise StoreError(f"{self.location}: not a folder that can be opened: {error}") from error

    def _path(self, *names: str) -> str:
        return "/".join((self.root, *names))

    def read_study(self) -> str | None:
        """Return the text of the study file in the folder, or None if there is none."""
        path = self._path(STUDY_FILE)
        if self.fs.get_file_info(path).type != pafs.FileType.File:
            return None
        with self.fs.open_input_stream(path) as stream:
            return stream.read().decode()

    def write_study(self, text: str) -> None:
        """Make the folder and write the study file into it.

        Raises:
            StoreError: If the folder cannot be written to.
        """
        try:
            for table in ("rows", "curves"):
                self.fs.create_dir(self._path(table), recursive=True)
            self.write_file(STUDY_FILE, text.encode())
        except OSError as error:
            raise StoreError(f"{self.location}: cannot be written to: {error}") from error

    def write_file(self, name: str, content: bytes) -> None:
        """Write a file beside the tables, whole or not at all."""
        self.fs.create_dir(self._path(name).rpartition("/")[0], recursive=True)
        self._write(name, lambda stream: stream.write(content))

    def _write(self, name: str, fill: Any) -> None:
        """Write a file under a temporary name that no reader looks at, then rename it."""
        temporary, final = self._path(f"{name}.writing"), self._path(name)
        with self.fs.open_output_stream(temporary) as stream:
            fill(stream)
        self.fs.move(temporary, final)

    def append(self, rows: Sequence[Row], curves: Sequence[Row]) -> None:
        """Store finished trials; once this returns, they are there for good.

        Curves are written before the rows that vouch for them: curves without a row are not read.
        """
        if not rows:
            return
        part = f"{uuid.uuid4().hex}.parquet"
        for table, schema, records in (("curves", CURVE_SCHEMA, curves), ("rows", ROW_SCHEMA, rows)):
            content = pa.Table.from_pylist([dict(record) for record in records], schema=schema)
            self._write(f"{table}/{part}", lambda stream, content=content: pq.write_table(content, stream))

    def _table(self, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
        selector = pafs.FileSelector(self._path(name), allow_not_found=True)
        files = sorted(
            info.path for info in self.fs.get_file_info(selector) if info.path.endswith(".parquet")
        )
        if not files:
            return schema.empty_table().select(columns or schema.names)
        return ds.dataset(files, schema=schema, filesystem=self.fs, format="parquet").to_table(
            columns=columns
        )

    def trial_ids(self) -> set[str]:
        """Return the ids of all stored trials."""
        return set(self._table("rows", ROW_SCHEMA, ["trial_id"])["trial_id"].to_pylist())

    def rows(self) -> pd.DataFrame:
        """Return one row per stored trial, in a fixed order, with the columns of ``ROW_SCHEMA``."""
        frame = _frame(self._table("rows", ROW_SCHEMA)).drop_duplicates("trial_id")
        order = ["task", "label", "role", "grad_scale", "weight_decay", "lr", "seed", "trial_id"]
        return frame.sort_values(order, ignore_index=True)

    def curves(self) -> pd.DataFrame:
        """Return the learning curves of all stored trials, with the columns of ``CURVE_SCHEMA``."""
        frame = _frame(self._table("curves", CURVE_SCHEMA))
        frame = frame[frame["trial_id"].isin(self.trial_ids())].drop_duplicates(
            ["trial_id", "epoch", "split"]
        )
        return frame.sort_values(["trial_id", "epoch", "split"], ignore_index=True)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table whose columns have the same types whatever they hold: nulls do not make floats of integers."""
    import pandas as pd

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=types.get)


def load(location: str | Path) -> pd.DataFrame:
    """Read the rows of the study in a folder, one per trial (columns: ``ROW_SCHEMA``).

    Raises:
        StoreError: If the folder holds no study.
    """
    return open_existing(location).rows()


def load_curves(location: str | Path) -> pd.DataFrame:
    """Read the learning curves of the study in a folder (columns: ``CURVE_SCHEMA``).

    Raises:
        StoreError: If the folder holds no study.
    """
    return open_existing(location).curves()


def open_existing(location: str | Path) -> Store:
    """Return the store of the study in a folder.

    Raises:
        StoreError: If the folder holds no study.
    """
    store = Store(location)
    if store.read_study() is None:
        raise StoreError(f"{location}: holds no study (there is no {STUDY_FILE} in it)")
    return store
