"""The source of a user's own task: what its digest depends on, and when what is imported is not what is there."""

import importlib
import sys

import pytest

from robustness.tasks import load
from robustness.user_code.source import other_file, source_code

TASK = """
from robustness.tasks import load

def make():
    return load("digits-mlp")
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Return a function that writes files, imports the task anew and returns its digest."""
    monkeypatch.syspath_prepend(tmp_path)

    def digest(name="mine:make", **files):
        for stem, text in files.items():
            path = tmp_path / (stem.replace("__in__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        for module in [
            name for name in sys.modules if name.split(".")[0] in ("mine", "beside", "deep", "pack")
        ]:
            del sys.modules[module]
        return load(name).code

    return digest


def test_it_depends_on_the_modules_file_alone_and_not_on_how_its_lines_end(digest, tmp_path):
    first = digest(mine=TASK, unrelated="x = 1")
    assert digest(unrelated="x = 2") == first
    (tmp_path / "mine.py").write_bytes(TASK.replace("\n", "\r\n").encode())
    assert digest() == first
    assert digest(mine=TASK + "# changed") != first
    assert load("digits-mlp").code is None


@pytest.mark.parametrize(
    "line", ["import beside", "from beside import x", "if True:\n    import beside as b"]
)
def test_it_depends_on_modules_beside_that_are_imported_however_deep(digest, line):
    first = digest(mine=f"{line}\n{TASK}", beside="import deep\nx = 1", deep="y = 1")
    assert digest(deep="y = 2") != first
    assert digest(deep="y = 1") == first
    assert digest(beside="import deep\nx = 2") != first


def test_it_depends_on_the_package_and_on_modules_beside_it(digest):
    mine = f"from . import part\nfrom beside import x\n{TASK}"
    name, files = "pack.mine:make", {"pack__in____init__": "", "pack__in__part": "y = 1", "beside": "x = 1"}
    first = digest(name, pack__in__mine=mine, **files)
    assert len({first, digest(name, pack__in__part="y = 2"), digest(name, beside="x = 2")}) == 3
    assert digest(name, pack__in__other="z = 1", **files) == first


def test_source_that_changed_after_its_import_is_refused(digest, tmp_path):
    first = digest(mine=TASK)
    (tmp_path / "mine.py").write_text(TASK + "# changed")
    with pytest.raises(
        ValueError, match="mine.py: has changed since this process imported it: start Python again"
    ):
        load("mine:make")
    importlib.reload(sys.modules["mine"])
    assert source_code("mine:make") not in (None, first)


def test_another_module_of_the_same_name_is_noticed(digest, tmp_path):
    digest(mine=TASK)
    (tmp_path / "other").mkdir()
    assert other_file("mine:make", tmp_path / "other") is None
    (tmp_path / "other" / "mine.py").write_text(TASK)
    assert other_file("mine:make", tmp_path) is None
    assert other_file("mine:make", tmp_path / "other") == tmp_path / "other" / "mine.py"
