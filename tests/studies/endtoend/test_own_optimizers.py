"""Optimizers of a user's own, by name in a study file: trained, edited, read without them, refused in one line."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from robustness.optimizers import OPTIMIZERS
from studies import SpecError, StudySpec, load, run
from studies.cli import main
from studies.store.study_folder import StoredStudy, status
from studies.sweep.replay import replay

LION = """
import torch

class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), power=1.0):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            fast, slow = group["betas"]
            for p in group["params"]:
                average = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.sub_(group["lr"] * average.lerp(p.grad, 1 - fast).sign())
                average.lerp_(p.grad, 1 - slow)

class Choosy(torch.optim.SGD):
    def __init__(self, params, lr, k):
        if k < 1:
            raise ValueError(f"k must be at least 1, but got {k}")
        super().__init__(params, lr)

class NoRate(torch.optim.SGD):
    def __init__(self, params):
        super().__init__(params, 0.1)

def function(params, lr):
    return torch.optim.SGD(params, lr)
"""
STUDY = """
name: s
task: digits-logistic
budget: {epochs: 1, batch_size: 64}
grid: {lr: [1.0e-3, 1.0e-2], weight_decay: [0, 1.0e-2]}
optimizers:
  adamw: {}
  lion: OWN
"""
OWN = '{optimizer: "mylion:Lion", betas: [0.95, 0.99]}'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a module and a study that has been run there, by the command."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert give(patch, "run", lion=LION).code == 0
    return folder


def give(patch, *arguments, own=OWN, lion=None, study="s.yaml"):
    """Give the command in the current folder, which holds the module as ``lion`` says, imported by nobody so far."""
    sys.modules.pop("mylion", None)
    if lion is not None:
        with open("mylion.py", "w") as file:
            file.write(lion)
    with open(study, "w") as file:
        file.write(STUDY.replace("OWN", own))
    reading = arguments[0] in ("status", "report", "replay")
    more = () if reading else (study, "--workers", "0", "--engine", "sequential")
    patch.setattr(sys, "argv", ["robustness", *arguments, *more])
    with pytest.raises(SystemExit) as ended:
        main()
    return SimpleNamespace(code=ended.value.code)


def test_the_rows_hold_betas_and_what_has_no_column_and_the_grid_no_weight_decay(place):
    rows = load(place / "runs/s").set_index("label")
    assert rows.groupby(level=0).size().to_dict() == {"adamw": 4, "lion(beta1=0.95)": 2}
    lion = rows.loc["lion(beta1=0.95)"]
    assert set(lion["optimizer"]) == {"mylion:Lion"}
    assert set(zip(lion["beta1"], lion["beta2"], lion["weight_decay"], strict=True)) == {(0.95, 0.99, 0.0)}
    assert set(lion["hyperparameters"]) == {'{"power":1.0}'}
    assert rows.loc["adamw", "hyperparameters"].isna().all()
    assert lion["val_accuracy"].max() > 0.8


def test_a_trial_is_replayed_with_its_optimizer_and_not_without(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    rows = load("runs/s")
    trial = rows.loc[rows["optimizer"] == "mylion:Lion", "trial_id"].iloc[0]
    sys.modules.pop("mylion", None)
    assert replay("runs/s", trial).equal
    (place / "mylion.py").rename(place / "gone.py")
    try:
        assert give(monkeypatch, "replay", "runs/s", trial).code == 2
    finally:
        (place / "gone.py").rename(place / "mylion.py")
    told = (
        "runs/s/study.yaml: optimizers.lion.optimizer: 'mylion:Lion': cannot be imported: ModuleNotFoundError"
    )
    assert told in capsys.readouterr().err


def test_a_folder_is_read_where_the_module_is_gone(place, tmp_path, monkeypatch, capsys):
    before = status(place / "runs/s")
    (place / "runs").rename(tmp_path / "runs")
    try:
        monkeypatch.chdir(tmp_path)
        sys.modules.pop("mylion", None)
        pd.testing.assert_frame_equal(status("runs/s"), before)
        assert before["missing"].eq(0).all()
        assert give(monkeypatch, "status", "runs/s").code == 0
        assert give(monkeypatch, "report", "runs/s").code == 0
        assert "lion(beta1=0.95)" in capsys.readouterr().out
        assert "mylion" not in sys.modules
        assert give(monkeypatch, "plan").code == 2
    finally:
        (tmp_path / "runs").rename(place / "runs")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_has_lost_what_it_remembers_says_so_and_a_run_restores_it(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    file = place / "runs/s/own_code.json"
    content = file.read_bytes()
    file.write_text("{}")
    assert give(monkeypatch, "status", "runs/s").code == 2
    assert "own_code.json: is damaged: remove it" in capsys.readouterr().err
    file.unlink()
    assert give(monkeypatch, "status", "runs/s").code == 2
    assert (
        "optimizers.lion: 'mylion:Lion': which hyperparameters it has is not known here"
        in capsys.readouterr().err
    )
    assert give(monkeypatch, "run").code == 0
    assert "6 of them stored already" in capsys.readouterr().out
    assert file.read_bytes() == content


def test_edited_code_trains_its_trials_again_and_hides_the_old_rows(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    edited = LION.replace("1 - slow)", "1 - slow)  # edited")
    said = (
        "mylion.py has changed since it trained here, so its trials run again: "
        "no longer asked for, so hidden and not deleted: 2 stored rows"
    )
    for command, stored in (("plan", 6), ("run", 8)):
        capsys.readouterr()
        assert give(monkeypatch, command, lion=edited).code == 0
        out = capsys.readouterr().out
        assert said in out
        assert "lion: takes no weight_decay, so its grid has 0 only" in out
        assert len(load("runs/s")) == stored
    assert status("runs/s").set_index("optimizer").loc["lion(beta1=0.95)", "completed"] == 2
    assert give(monkeypatch, "run", lion=LION).code == 0  # put back: the old rows are taken
    assert "6 of them stored already" in capsys.readouterr().out


def test_a_study_of_edited_code_alone_is_no_other_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (
        STUDY.replace("  adamw: {}\n", "").replace("[0, 1.0e-2]", "0").replace("[1.0e-3, 1.0e-2]", "[1.0e-3]")
    )
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "STUDY", text)
        assert give(patch, "run", lion=LION).code == 0
        assert give(patch, "run", lion=LION + "\n# edited").code == 0
    assert "hidden and not deleted: 1 stored row\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (
            '{optimizer: "nolion:Lion"}',
            "lion.optimizer: 'nolion:Lion': cannot be imported: ModuleNotFoundError",
        ),
        (
            '{optimizer: "mylion:Lino"}',
            "lion.optimizer: 'mylion:Lino': cannot be imported: mylion has no 'Lino'",
        ),
        ('{optimizer: "mylion:Lino"}', "did you mean 'Lion'?"),
        ('{optimizer: "mylion:"}', "lion.optimizer: 'mylion:': must be package.module:Class"),
        (
            '{optimizer: "mylion:function"}',
            "'mylion:function': must be a class derived from torch.optim.Optimizer",
        ),
        ('{optimizer: "mylion:torch"}', "'mylion:torch': must be a class derived from torch.optim.Optimizer"),
        ('{optimizer: "mylion:NoRate"}', "must take lr, but has (params)"),
        ("{optimizer: lino}", "lion.optimizer: 'lino': must be one of sgd, "),
        ("{optimizer: lino}", ", package.module:Class"),
        (
            '{optimizer: "mylion:Lion", beta: 0.9}',
            "lion.beta: 0.9: unknown key; allowed: optimizer, lr, weight_decay, beta1, beta2, power, betas "
            "(did you mean 'beta",
        ),
        ('{optimizer: "mylion:Lion", betas: 0.9}', "lion.betas: 0.9: must be a list of numbers"),
        ('{optimizer: "mylion:Lion", betas: [0.9]}', "lion.betas: (0.9,): must be 2 numbers (beta1, beta2)"),
        (
            '{optimizer: "mylion:Lion", betas: [[0.9, 0.9], [0.9]]}',
            "lion.betas[1]: (0.9,): must be 2 numbers",
        ),
        (
            '{optimizer: "mylion:Lion", betas: [0.9, 0.9], beta1: 0.8}',
            "must not be given together with beta1",
        ),
        ('{optimizer: "mylion:Lion", power: [1, 1.0]}', "lion.power[1]: 1.0: is given twice"),
        ('{optimizer: "mylion:Lion", power: x}', "lion.power: 'x': must be a number"),
        ('{optimizer: "mylion:Lion", weight_decay: 0.1}', "lion.weight_decay: (0.1,): must be 0 or left out"),
        ('{optimizer: "mylion:Choosy"}', "lion.k: nothing: is required: mylion:Choosy has no default for it"),
        ('{optimizer: "mylion:Choosy", k: [2, 0]}', "lion.k: 0: must be at least 1"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, own, told):
    monkeypatch.chdir(tmp_path)
    assert give(monkeypatch, "run", own=own, lion=LION).code == 2
    error = capsys.readouterr().err
    assert error.startswith("robustness: s.yaml: optimizers.lion.")
    assert error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "runs").exists()


def study(**optimizers):
    return StudySpec(
        name="n",
        task="digits-logistic",
        budget={"epochs": 1, "batch_size": 256},
        grid={"lr": [1e-2], "weight_decay": [0]},
        optimizers=optimizers,
    )


def test_a_class_that_a_script_registered_is_remembered_too(tmp_path):
    class Mine(torch.optim.SGD):
        def __init__(self, params, lr, deep=1):
            super().__init__(params, lr)

    OPTIMIZERS["mine"] = Mine
    try:
        spec = study(mine={"deep": [1, 2]})
        rows = run(spec, out=tmp_path, workers=0, engine="sequential").rows
    finally:
        del OPTIMIZERS["mine"]
    assert set(rows["label"]) == {"mine(deep=1)", "mine(deep=2)"}
    assert sorted(rows["hyperparameters"]) == ['{"deep":1}', '{"deep":2}']
    assert len(StoredStudy.open(tmp_path).rows) == 2
    (tmp_path / "own_code.json").unlink()  # as a program left the folder that remembered nothing
    with pytest.raises(SpecError, match=r"study.yaml: optimizers.mine: 'mine': must be one of sgd"):
        StoredStudy.open(tmp_path)


def check(tmp_path, names):
    spec = study(**{name.partition(":")[2].lower(): {"optimizer": name} for name in names})
    outcome = run(spec, out=tmp_path, workers=0, engine="sequential")
    assert dict(zip(outcome.rows["optimizer"], outcome.rows["status"], strict=True)) == dict.fromkeys(
        names, "completed"
    )
    assert outcome.rows["train_loss"].lt(outcome.rows["init_loss"]).all()
    return StoredStudy.open(tmp_path).spec.own


def test_the_optimizers_of_torch(tmp_path):
    names = ["NAdam", "RAdam", "Adagrad", "Adafactor", "LBFGS", "Muon"]
    own = check(tmp_path, [f"torch.optim:{name}" for name in names])
    assert own.codes == {}  # they are of torch's version, which is recorded anyway


def test_the_optimizers_of_an_installed_package(tmp_path):
    pytest.importorskip("pytorch_optimizer", reason="its optimizers are trained where it is installed")
    names = [f"pytorch_optimizer:{name}" for name in ("AdaBelief", "Lion", "Adan", "ADOPT", "Prodigy")]
    own = check(tmp_path, names)
    assert {code.partition("==")[0] for code in own.codes.values()} == {"pytorch_optimizer"}
