"""Which search a folder holds. Searches never mix: another one in the same folder is refused, and told what differs.

A folder keeps a record of the search that was begun in it. The name of the Optuna study carries a hash of that search
and a few random letters, so that folders that share one Optuna storage each have a study of their own there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from analysis.task_metric import ERROR
from robustness.tasks import BaseTask
from studies.planning.changes import flat
from studies.searches.points import open_journal
from studies.spec import strict_yaml
from studies.spec.errors import StoreError
from studies.spec.objectives import metric_of
from studies.spec.search import SearchSpec
from studies.spec.study import StudySpec
from studies.store.layout import SEARCH_JOURNAL, SEARCH_RECORD
from studies.store.store import Store


def identity(spec: StudySpec, search: SearchSpec, task: BaseTask) -> dict[str, Any]:
    """Return all that decides which points are suggested and how they score; a folder holds one such search."""
    content = spec.model_dump(mode="json")
    content["task"]["version"] = task.version
    for name in search.space:  # the search puts its own values in their place
        content["optimizers"][search.optimizer].pop(name, None)
    for name in ("trials", "confirm"):
        content["search"].pop(name, None)
    kept = ["task", "budget", "schedule", "seeds", "grid", "optimizers", "search"]
    if spec.own.codes:
        content["code"] = dict(spec.own.codes)
        kept.append("code")
    if (metric := metric_of(task)) != ERROR:  # records of earlier programs have no such key
        content["metric"] = {"name": metric.name, "direction": metric.direction}
        kept.append("metric")
    return {key: content[key] for key in kept}


def find(store: Store, content: Mapping[str, Any]) -> str | None:
    """Return the name of the Optuna study of the search in the folder, or None if none was begun there.

    Args:
        store: The study's folder.
        content: The ``identity`` of the search that is to go on there.

    Raises:
        StoreError: If the folder holds another search; the message names the first key that differs.
    """
    written = store.read_file(SEARCH_RECORD)
    if written is None:
        return None
    record = strict_yaml.parse(written.decode())
    now, then = dict(flat(content)), dict(flat(record["search of"]))
    for key in [*now, *then]:
        if now.get(key) != then.get(key):
            raise StoreError(
                f"{store.location}: {key}: {_shown(now, key)}, but the search in this folder has "
                f"{_shown(then, key)}: give another folder with --out, or another name"
            )
    return record["study"]


def begin(store: Store, spec: StudySpec, content: Mapping[str, Any]) -> str:
    """Write into the folder which search it holds; return the name of its Optuna study."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    name = f"{spec.name}-{digest[:8]}-{secrets.token_hex(3)}"
    store.write_file(SEARCH_RECORD, strict_yaml.dump({"study": name, "search of": content}).encode())
    return name


def own_storage(store: Store) -> BaseStorage:
    """Return Optuna's storage in the study's folder, which must be on this machine."""
    return open_journal(Path(store.root) / SEARCH_JOURNAL)


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "nothing"
