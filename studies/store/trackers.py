"""Rows of finished trials, sent on to an experiment tracker that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from studies.spec.errors import InputError
from studies.spec.problems import one_of
from studies.store.layout import TENSORBOARD_FOLDER
from studies.store.schema import ROW_SCHEMA

Send = Callable[[Sequence[Mapping[str, Any]]], None]

_MEASURED = (
    "train_loss", "train_accuracy", "train_metric", "val_loss", "val_accuracy", "val_metric", "test_loss",
    "test_accuracy", "test_metric", "lambda_max", "hessian_trace", "sam_sharpness", "wall_seconds",
)  # fmt: skip
"""The columns of a row that are results; the others say what was trained."""


@contextmanager
def sending(kind: str | None, study: str, folder: str) -> Iterator[Send]:
    """Yield a function that sends rows to a tracker: each trial becomes a run, with its hyperparameters and results.

    Args:
        kind: ``tensorboard`` (files in the study's folder), ``mlflow`` or ``wandb`` (wherever their own settings
            say), or None, which sends them nowhere.
        study: The study's name: the experiment in MLflow, the project in Weights & Biases.
        folder: The study's folder.

    Raises:
        InputError: If ``kind`` is another word, or is not installed, or cannot write to the folder.
    """
    if kind is None:
        yield lambda rows: None
        return
    if kind not in _TRACKERS:
        raise InputError(f"--log: {kind}: {one_of(kind, _TRACKERS)}")
    if find_spec(kind) is None:
        raise InputError(f"--log: {kind}: is not installed: pip install {kind}")
    if kind == "tensorboard" and "://" in folder:
        raise InputError(f"--log: tensorboard: writes local files only, but the study's folder is {folder}")
    send_one = _TRACKERS[kind](study, folder)

    def send(rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            results = {name: row[name] for name in _MEASURED if row.get(name) is not None}
            known = (name for name in ROW_SCHEMA.names if name not in _MEASURED and row.get(name) is not None)
            send_one(row["trial_id"], {name: row[name] for name in known}, results)

    yield send


SendOne = Callable[[str, dict[str, Any], dict[str, float]], None]


def _tensorboard(study: str, folder: str) -> SendOne:
    from torch.utils.tensorboard import SummaryWriter

    def send_one(trial_id: str, settings: dict[str, Any], results: dict[str, float]) -> None:
        with SummaryWriter(f"{folder}/{TENSORBOARD_FOLDER}/{trial_id}") as writer:
            writer.add_hparams(settings, results, run_name=".")

    return send_one


def _mlflow(study: str, folder: str) -> SendOne:
    import mlflow  # type: ignore[import-not-found]

    mlflow.set_experiment(study)

    def send_one(trial_id: str, settings: dict[str, Any], results: dict[str, float]) -> None:
        with mlflow.start_run(run_name=trial_id):
            mlflow.log_params(settings)
            mlflow.log_metrics(results)

    return send_one


def _wandb(study: str, folder: str) -> SendOne:
    import wandb  # type: ignore[import-not-found]

    def send_one(trial_id: str, settings: dict[str, Any], results: dict[str, float]) -> None:
        run = wandb.init(project=study, name=trial_id, config=settings, reinit="finish_previous")
        run.log(results)
        run.finish()

    return send_one


_TRACKERS: dict[str, Callable[[str, str], SendOne]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
