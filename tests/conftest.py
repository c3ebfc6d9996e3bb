"""What all tests share: how they are spread over processes, and a folder of their own for measurements."""

import os
import sys
from pathlib import Path

import pytest
from xdist.scheduler import LoadGroupScheduling

TESTS = Path(__file__).parent
# Every process imports torch and draws figures; above so many the tests with Ray, one after the other, take longest.
MOST_PROCESSES, BYTES_EACH = 8, 2 * 2**30
# What takes longest begins first, so that all processes end together.
LONG = [
    TESTS / name
    for name in (
        "studies/test_study_search.py",
        "studies/endtoend/test_growing.py",
        "studies/endtoend/test_own_optimizers.py",
        "robustness/training/test_models.py",
        "studies/endtoend/test_changed_code.py",
        "studies/test_study_run.py",
        "robustness/tasks/test_text.py",
        "test_published.py",
        "studies/spec/test_verdict.py",
        "analysis/test_invariances.py",
        "studies/endtoend/test_metrics.py",
        "studies/reports/test_figures.py",
        "faults/test_faults_store.py",
        "studies/store/test_provenance.py",
        "analysis/figures/test_gallery.py",
        "robustness/training/test_flatness.py",
        "robustness/training/test_pack.py",
        "studies/endtoend/test_measuring.py",
        "studies/reports/test_report.py",
        "robustness/tasks/test_two_minima.py",
    )
]

# As workers do: threads that wait for each other on cores that others use too take a hundred times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class ByFile(LoadGroupScheduling):
    """A file's tests go to one process, which makes its fixtures once; so do the tests of a group."""

    def _split_scope(self, nodeid):
        return super()._split_scope(nodeid).partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


def pytest_xdist_auto_num_workers(config):
    """A process per core; files and tests that are named run in this one, without waiting for others to start."""
    if not any(Path(argument).is_dir() for argument in config.args):
        return 0
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processes = min(os.cpu_count() or 1, MOST_PROCESSES, memory // BYTES_EACH)
    return processes if processes > 1 else 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests with Ray form a group, so that no two compete, and the long ones come first."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
    items.sort(key=turn)


def turn(item):
    """Return when a test's turn comes: with the Ray that tests share, with its own, then without, by ``LONG``."""
    if ray := item.get_closest_marker("ray"):
        return -2 if ray.kwargs.get("shared") else -1
    return LONG.index(item.path) if item.path in LONG else len(LONG)


@pytest.fixture(autouse=True)
def _modules_of_a_test_end_with_it(tmp_path_factory):
    """Forget modules that a test wrote and imported: another one's may have the same name."""
    before = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory):
    """Keep measurements out of the user's cache, and each process's apart.

    What one process measures must not change the engine of another's studies between two runs that are compared.
    """
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
