"""A store as a run sees it that goes on with what others began: what is done, and what is to be done again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from studies.planning.stages import unmeasured
from studies.spec.errors import InputError
from studies.store.rows import Finished
from studies.store.store import Store
from studies.store.trackers import Send

RETRIED = ("failed", "diverged")


class ResumedStore:
    """A store in which trials that are to be trained again count as missing, until they are stored again.

    Their old rows stay in the folder, where readers see them until the new ones replace them.

    Args:
        store: The study's store.
        retry: Among ``failed`` and ``diverged``; stored trials of these statuses are trained again.
        flatness: As in the study; with ``all``, completed trials whose flatness was not measured are trained again.
        send: Where finished rows go too, once they are stored.

    Attributes:
        again: The ids of the trials that are to be trained again.

    Raises:
        InputError: If ``retry`` holds another word.
    """

    def __init__(
        self, store: Store, retry: Sequence[str] = (), flatness: str = "none", send: Send | None = None
    ) -> None:
        retry = tuple(retry)
        for status in retry:
            if status not in RETRIED:
                raise InputError(f"--retry: {status}: must be {' or '.join(RETRIED)}")
        self.store, self.send = store, send
        self.again: set[str] = set()
        if retry or flatness == "all":
            rows = store.rows()
            self.again = set(rows.loc[rows["status"].isin(list(retry)), "trial_id"])
            self.again |= unmeasured(rows) if flatness == "all" else set()

    def trial_ids(self) -> set[str]:
        """Return the ids of the trials that need not run."""
        return self.store.trial_ids() - self.again

    def rows(self) -> pd.DataFrame:
        """Return the rows of the trials that need not run."""
        rows = self.store.rows()
        return rows[~rows["trial_id"].isin(self.again)]

    def append(self, finished: Finished) -> None:
        """Store finished trials, which need not run any more, and send them on.

        Raises:
            SweepError: If they cannot be stored, or another driver has taken the folder over.
        """
        self.store.append(finished.rows, finished.curves, finished.diagnostics)
        self.again -= {row["trial_id"] for row in finished.rows}
        if self.send is not None:
            self.send(finished.rows)
