"""The notebooks run from top to bottom, and their data are what their study gave."""

import json
from pathlib import Path

import pytest

from studies import StudySpec, load, load_curves
from studies.planning.stages import rows_of
from studies.planning.trials import expand
from studies.sweep.replay import replay

FOLDER = Path(__file__).parents[2] / "notebooks"
DATA = FOLDER / "data" / "digits"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 300
MARKS = {"01_launch_a_sweep": pytest.mark.ray}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=MARKS.get(path.stem, ()), id=path.stem) for path in NOTEBOOKS],
)
def test_a_notebook_runs_from_top_to_bottom(path):
    nbclient = pytest.importorskip("nbclient", reason="running notebooks needs nbclient: install '.[dev]'")
    nbformat = pytest.importorskip("nbformat", reason="running notebooks needs nbformat: install '.[dev]'")
    pytest.importorskip("ipykernel", reason="running notebooks needs ipykernel: install '.[dev]'")
    book = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(book, timeout=SECONDS, resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert (len(figures) >= 4) == ("launch" not in path.stem)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_the_stored_rows_are_those_of_the_study_beside_them():
    spec, rows = StudySpec.from_yaml(FOLDER / "digits.yaml"), load(DATA)
    grid = expand(spec, spec.load_task())
    assert len(NOTEBOOKS) == 3
    assert {trial.trial_id for trial in grid} == set(rows.loc[rows["role"] == "grid", "trial_id"])
    assert len(rows_of(grid, rows)) == len(grid) == spec.count()
    assert (rows["role"] == "confirm").sum() == spec.count_confirm()
    assert set(load_curves(DATA)["trial_id"]) == set(rows["trial_id"])
    assert StudySpec.from_yaml(DATA / "study.yaml") == spec


def test_the_stored_rows_say_where_they_are_from():
    (run,) = json.loads((DATA / "provenance.json").read_text())["runs"]
    assert run["exit_code"] == 0
    assert run["command"][3:6] == ["run", "notebooks/digits.yaml", "--out"]
    assert run["git"]["project"]["dirty"] is run["git"]["study"]["dirty"] is False
    assert StudySpec.from_text(run["study"], "provenance.json") == StudySpec.from_yaml(FOLDER / "digits.yaml")
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file()) < 1_000_000


def test_a_stored_row_comes_back():
    rows = load(DATA)
    gentle = rows[(rows["label"] == "adamw") & (rows["lr"] == 1e-3) & (rows["grad_scale"] == 1)]
    before = sorted(DATA.rglob("*"))
    assert replay(DATA, gentle["trial_id"].iloc[0]).equal
    assert sorted(DATA.rglob("*")) == before
