"""What a study's folder holds is data: reading it runs nothing, and no file is named by what a study says."""

import ast
import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import studies
from studies import SpecError, StoreError, StudySpec, load, load_curves, run
from studies.reports.report import report
from studies.store.store import Store
from studies.store.study_folder import status

SOURCES = [
    path
    for package in ("studies", "analysis")
    for path in (Path(studies.__file__).parents[1] / package).rglob("*.py")
]


def tiny(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [1e-2], "weight_decay": [0.0]},
        "optimizers": {"sgd": {}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    out = tmp_path_factory.mktemp("stored") / "s"
    run(tiny(), out=out, workers=0, engine="sequential")
    return out


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "s")


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def read_everything(folder):
    load(folder)
    load_curves(folder)
    status(folder)
    report(folder)


def test_reading_a_folder_imports_no_module_that_its_study_names(folder, monkeypatch):
    (folder / "evil_task.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    text = (folder / "study.yaml").read_text().replace("digits-mlp", "evil_task:make")
    (folder / "study.yaml").write_text(text)
    known = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**known, "name": "evil_task:make"}))
    assert status(folder).iloc[-1]["missing"] == 1
    with pytest.raises(StoreError, match="holds no finished trial"):
        report(folder)
    assert "evil_task" not in sys.modules


def test_reading_a_folder_unpickles_nothing(folder, tmp_path):
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    for name in ("task.pkl", "rows/a.pkl", "state.pt", "curves/state.pickle"):
        (folder / name).write_bytes(trap)
    kinds = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": trap,
        b"pandas": trap,
    }
    part = next((folder / "rows").glob("*.parquet"))
    rows = pq.read_table(part)
    field = pa.field("reason", pa.string(), metadata=kinds)
    schema = rows.schema.set(rows.schema.get_field_index("reason"), field).with_metadata(kinds)
    part.unlink()
    # a name without a digest, as an earlier version gave parts: read by its columns alone
    pq.write_table(rows.cast(schema), part.with_name("ab" * 16 + ".parquet"))
    assert len(load(folder))
    read_everything(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("tag", ["!!python/object/apply:pathlib.Path.touch", "!!python/object/new:os.system"])
def test_yaml_runs_nothing(folder, tmp_path, tag):
    (folder / "study.yaml").write_text(f"name: {tag} [{tmp_path / 'sprung'}]")
    with pytest.raises(SpecError, match="could not determine a constructor"):
        status(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"[", b"name: [tiny]\n"])
def test_a_damaged_study_file_in_a_folder_is_refused_in_one_line(folder, content):
    (folder / "study.yaml").write_bytes(content)
    for read in (status, report, lambda folder: run(tiny(), out=folder, workers=0)):
        with pytest.raises((SpecError, StoreError)) as caught:
            read(folder)
        assert "study.yaml" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff", b'{"name": 1}', b"[" * 5000])
def test_a_damaged_task_file_in_a_folder_is_refused_in_one_line(folder, content):
    (folder / "task.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"task.json: is damaged: remove it"):
        status(folder)


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "/etc/x", "..", ".", "", "a\x00b", "a\\b", "-rf", "~x", "a" * 101]
)
def test_a_study_cannot_be_called_what_no_folder_should_be(name):
    with pytest.raises(SpecError, match=r"name: .*: must be letters, digits"):
        tiny(name=name)


def test_files_are_named_by_the_program_alone(tmp_path):
    spec = tiny(
        optimizers={"sgd": {}, "a..b": {"optimizer": "adamw"}},
        confirm=1,
        grid={"lr": [1e-2, 1e-1], "weight_decay": [0.0], "grad_scale": [1, 10]},
    )
    run(spec, out=tmp_path / "s", workers=0, engine="sequential")
    allowed = re.compile(
        r"(study\.yaml|task\.json|provenance\.json|run\.log|summary\.csv|(rows|curves)/[0-9a-f-]+\.parquet"
        r"|figures/lr-(weight-decay|gradient-scale)\.(pdf|png)|tables/[a-z_]+\.(csv|tex))"
    )
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert [name for name in names if not allowed.fullmatch(name.removeprefix("s/"))] == []


@pytest.mark.parametrize("key", ["../x", "a/b", "", ".", "..", "<b>", "a b"])
def test_labels_begin_with_plain_words(key):
    with pytest.raises(SpecError, match="must be letters, digits"):
        tiny(optimizers={key: {"optimizer": "sgd"}})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_has_what_would_run_what_it_reads(path):
    unsafe = {"eval", "exec", "read_pickle", "to_pickle", "unsafe_load", "full_load"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called.rpartition(".")[2] not in unsafe, called
            assert called not in {"pickle.load", "yaml.load", "yaml.load_all"}, called
            # what the driver has put into Ray for its workers, nothing from a folder
            assert called != "pickle.loads" or path.name == "tune.py"
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert called != "torch.load" or keywords.get("weights_only") == "True"
            assert keywords.get("allow_pickle") != "True"


def test_a_store_reads_a_file_that_is_not_there_as_nothing(tmp_path):
    assert Store(tmp_path).read_file("provenance.json") is None
