"""Names on disk: all that a study leaves in its folder is named in ``layout``, and by nothing else."""

import re
from pathlib import Path

import studies
from studies import report, run
from studies.store import layout
from studies.store.store import Store

PART = rf"[0-9a-f]{{16}}-[0-9a-f]{{32}}{re.escape(layout.PART_SUFFIX)}"
ALLOWED = [
    layout.STUDY_FILE,
    layout.TASK_FILE,
    layout.OWN_CODE_FILE,
    layout.PROVENANCE_FILE,
    layout.RUN_LOG,
    layout.SUMMARY_TABLE,
    layout.REPORT_PAGE,
    layout.SEARCH_RECORD,
    layout.SEARCH_JOURNAL,
    rf"({layout.ROWS}|{layout.CURVES}|{layout.DIAGNOSTICS})/{PART}",
    rf"{layout.DAMAGED}/({layout.ROWS}|{layout.CURVES}|{layout.DIAGNOSTICS})-{PART}",
    rf"{layout.TABLES_FOLDER}/[a-z_]+\.(csv|tex)",
    rf"{layout.FIGURES_FOLDER}/[a-z-]+\.(pdf|png)",
    rf"{layout.SEARCH_FOLDER}/[a-z-]+\.(csv|pdf|png)",
    rf"{layout.LOCK_PREFIX}[0-9a-f]+{layout.LOCK_SUFFIX}",
]
# Words that are also words: their quoted form says nothing of a file.
ALSO_WORDS = {"rows", "curves", "diagnostics", "search", "checkpoints", "tables", "figures", ".parquet"}


def unknown(folder):
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert names
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in ALLOWED)]


def test_all_that_a_run_and_a_report_leave_is_named_in_layout(tiny, tmp_path):
    spec = tiny(diagnostics={"epochs": [1]}, checkpoint={"epochs": 1}, confirm=1)
    run(spec, out=tmp_path, workers=0, engine="sequential")
    report(tmp_path)
    next((tmp_path / layout.CURVES).iterdir()).write_bytes(b"damaged")
    with Store(tmp_path).driving():
        assert unknown(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        layout.ROWS, layout.CURVES, layout.DIAGNOSTICS, layout.DAMAGED, layout.TABLES_FOLDER, layout.FIGURES_FOLDER,
    }  # fmt: skip


def test_all_that_a_search_leaves_is_named_in_layout(tiny, tmp_path):
    search = {"optimizer": "ada2ms", "space": {"mixing": {"low": 0, "high": 1}}, "trials": 2}
    optimizers = {"sgd": {}, "adamw": {}, "ada2ms": {}}
    spec = tiny(optimizers=optimizers, search=search)
    studies.search(spec, out=tmp_path, workers=0, engine="sequential")
    assert (tmp_path / layout.SEARCH_RECORD).is_file()
    assert unknown(tmp_path) == []


def test_no_other_module_spells_a_name_out():
    names = {value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)}
    quoted = re.compile("|".join(f'"{re.escape(name)}"' for name in names - ALSO_WORDS))
    sources = Path(studies.__file__).parent.rglob("*.py")
    spelled = [path.name for path in sources if quoted.search(path.read_text("utf-8"))]
    assert spelled == ["layout.py", "trackers.py"]  # a tracker's name, after which its folder is called


def test_a_study_goes_to_a_folder_of_its_name_where_none_is_given():
    assert layout.default_folder("quickstart") == Path("runs/quickstart")
