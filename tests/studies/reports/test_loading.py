"""Progress is handed on whole; reports are imported when few trials are left, and not before."""

import threading

from studies.reports.loading import Foreseen


class Counted:
    def __init__(self):
        self.statuses = []

    def update(self, statuses):
        self.statuses += statuses


def test_reports_are_imported_once_near_the_end(monkeypatch):
    loaded = threading.Semaphore(0)
    monkeypatch.setattr("studies.reports.loading._load", loaded.release)
    counted = Counted()
    foreseen = Foreseen(counted, 100)
    foreseen.update(iter(["ok"] * 94))
    assert not loaded.acquire(blocking=False)
    for _ in range(6):
        foreseen.update(["diverged"])
    assert loaded.acquire(timeout=60)
    assert not loaded.acquire(blocking=False)
    assert counted.statuses == ["ok"] * 94 + ["diverged"] * 6
