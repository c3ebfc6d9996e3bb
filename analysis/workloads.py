"""By what name a workload is known: its own where its rows give one, else that of its task."""

from __future__ import annotations

import pandas as pd

WORKLOAD = "workload"
"""The column of a workload's own name; null, or not there, where the task's name will do."""


def by_workload(rows: pd.DataFrame) -> pd.DataFrame:
    """Call each task by the name of its workload, so that two workloads of one task are told apart everywhere.

    Every function that takes rows begins with this; rows that have been through it are returned as they are.

    Args:
        rows: With the column task, and with the column workload where workloads have names of their own.

    Returns:
        The rows without the column workload, task being the workload's name where there is one.

    Raises:
        ValueError: One name stands for two tasks.
    """
    if WORKLOAD not in rows.columns or "task" not in rows.columns:
        return rows
    own, renamed = rows[WORKLOAD], rows.drop(columns=WORKLOAD)
    if own.isna().all():
        return renamed
    name = own.astype("str").where(own.notna(), rows["task"].astype("str"))
    known = rows["task"].astype("str").groupby(name).unique()
    if (mixed := known[known.map(len) > 1]).size:
        raise ValueError(
            f"a workload must be of one task, but {mixed.index[0]!r} names rows of "
            f"{' and '.join(map(repr, sorted(map(str, mixed.iloc[0]))))}"
        )
    return renamed.assign(task=name)
