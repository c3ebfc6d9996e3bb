"""A suite: what each workload is asked for, worked out by hand; what is wrong with one, in a line."""

import re
from pathlib import Path

import pytest

from studies import SpecError, StudySpec, SuiteSpec, load_spec

SUITE = """
name: pilot
budget: {epochs: 20, batch_size: 64}
schedule: {name: cosine, floor: 0.1}
seeds: 2
grid: {lr: {decades: 3, points: 7}, weight_decay: [0, 0.01]}
optimizers: {adamw: {lr: 0.01}, sgd: {lr: 0.1, momentum: 0.9}}
confirm: 3
workloads:
- {name: digits, task: digits-mlp}
- name: text
  task: {name: char-lm, context: 16}
  metric: error
  budget: {epochs: 5}
  schedule: {name: linear}
  seeds: [7]
  grid: {lr: {decades: 2}}
  optimizers: {sgd: {lr: 1.0}, adamw: }
  confirm: 0
"""


def suite(text=SUITE, source="suite.yaml"):
    return SuiteSpec.from_text(text, source)


def test_a_workloads_keys_are_merged_into_the_suites_one_by_one():
    expected = {
        "name": "pilot",
        "workload": "text",
        "task": {"name": "char-lm", "context": 16},
        "metric": "error",
        "budget": {"epochs": 5, "batch_size": 64},
        "schedule": {"name": "linear"},  # another shape: the cosine's floor is not its
        "seeds": [7],
        "grid": {"lr": {"decades": 2, "points": 7}, "weight_decay": [0, 0.01]},
        "optimizers": {"adamw": {"lr": 0.01}, "sgd": {"lr": 1.0, "momentum": 0.9}},
        "confirm": 0,
    }
    first, second = suite().studies
    assert second == StudySpec(**expected)
    assert (first.workload, first.budget.epochs, first.schedule.floor, first.confirm) == (
        "digits",
        20,
        0.1,
        3,
    )
    assert suite().workloads == ("digits", "text")


def test_a_task_takes_the_place_of_the_suites_as_a_whole():
    text = SUITE.replace("name: pilot", "name: pilot\ntask: {name: char-lm, context: 8, stride: 4}")
    first, second = suite(text.replace(", task: digits-mlp", "")).studies
    assert first.task.options == {"context": 8, "stride": 4}
    assert second.task.options == {"context": 16}


def test_null_takes_a_key_of_the_suite_away():
    text = SUITE.replace("confirm: 3", "metric: loss").replace("metric: error", "metric: null")
    assert [study.metric for study in suite(text).studies] == ["loss", None]


def test_a_suite_is_read_as_it_is_written():
    mixed = SUITE.replace("adamw: {lr: 0.01}", "adamw: {lr: 0.01}, ada2ms: {lr: 0.01, mixing: [0.25, 0.5]}")
    spec = suite(mixed.replace("confirm: 3", "verdict: {candidate: ada2ms(mixing=0.5)}"))
    assert SuiteSpec.from_text(spec.to_yaml(), "again") == spec
    assert [study.verdict for study in spec.studies] == [spec.verdict, spec.verdict]


def test_a_suite_may_come_from_python_and_is_found_by_load_spec(tmp_path):
    (tmp_path / "suite.yaml").write_text(SUITE)
    spec = load_spec(tmp_path / "suite.yaml")
    assert spec == suite()
    assert spec.file == spec.studies[1].file == tmp_path / "suite.yaml"
    assert spec.studies[1].source == f"{tmp_path}/suite.yaml: workloads[1]"
    shared = {
        "budget": {"epochs": 1, "batch_size": 8},
        "grid": {"lr": (0.1,), "weight_decay": 0},
        "optimizers": {"sgd": {}},
    }
    assert SuiteSpec(name="p", workloads=[{"name": "a", "task": "two-minima"}], **shared).workloads == ("a",)
    with pytest.raises(SpecError, match=r"^workloads\[0\].task: nothing: is required"):
        SuiteSpec(name="p", workloads=[{"name": "a"}], **shared)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("epochs: 5", "epochs: -5", r"workloads\[1\].budget.epochs: -5: must be greater"),
        ("epochs: 20", "epochs: -20", r"workloads\[0\]: budget.epochs: -20: must be greater"),
        (
            "{decades: 2}",
            "{decade: 2}",
            r"workloads\[1\].grid.lr.decade: 2: unknown key; .*did you mean 'decades'",
        ),
        (
            "sgd: {lr: 1.0}",
            "sdg: {lr: 1.0}",
            r"workloads\[1\].optimizers.sdg: .* of the suite \(adamw, sgd\)",
        ),
        ("lr: 1.0", "momentum: 0.5", r"workloads\[1\].optimizers.sgd.momentum: 0.5: must be the suite's"),
        (
            "adamw: }",
            "adamw: {eps: 1.0e-6}}",
            r"workloads\[1\].optimizers.adamw.eps: 1e-06: must be the suite's",
        ),
        ("name: text", "name: Digits", r"workloads\[1\].name: 'Digits': must be another name"),
        ("name: text", "name: a/b", r"workloads\[1\].name: 'a/b': must be letters"),
        ("name: text\n  task", "task", r"workloads\[1\].name: nothing: is required"),
        ("metric: error", "metrics: error", r"workloads\[1\].metrics: .*did you mean 'metric'"),
        (
            "metric: error",
            "verdict: {candidate: sgd}",
            r"workloads\[1\].verdict: .*not be given for one workload",
        ),
        ("metric: error", "workload: x", r"workloads\[1\].workload: 'x': must not be given for one workload"),
        ("seeds: 2", "sedes: 2", r"sedes: 2: unknown key; .*did you mean 'seeds'"),
        ("name: pilot", "", "name: nothing: is required"),
        ("- {name: digits, task: digits-mlp}", "- digits", r"workloads\[0\]: 'digits': must be a mapping"),
        ("task: digits-mlp", "tsk: digits-mlp", r"workloads\[0\].tsk: .*did you mean 'task'"),
        ("confirm: 3", "verdict: {candidate: ada2ms}", "verdict.candidate: 'ada2ms': must be a label"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_and_value(old, new, line):
    assert old in SUITE
    with pytest.raises(SpecError, match=f"^suite.yaml: {line}") as error:
        suite(SUITE.replace(old, new))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("listed", ["workloads: []", "workloads: 3", "workloads: {a: 1}"])
def test_workloads_are_a_list(listed, tmp_path):
    (tmp_path / "s.yaml").write_text(SUITE.partition("workloads:")[0] + listed)
    with pytest.raises(SpecError, match="s.yaml: workloads: .*must be a list of mappings"):
        load_spec(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ("{adamw: {lr: 0.1, eps: 1.0e-6}}", r"optimizers.adamw.eps: 1e-06: must be the suite's"),
        ("{adamw: {lr: 0.1}, sgd: {}}", r"optimizers.sgd: .* of the suite \(adamw\)"),
        ("{}", r"optimizers.adamw: nothing: is required"),
        ("{adamw: {lr: 0.1}}", None),
    ],
)
def test_workloads_that_list_all_optimizers_themselves_list_the_same(own, line):
    text = SUITE.partition("optimizers:")[0] + (
        "workloads:\n- {name: a, task: digits-mlp, optimizers: {adamw: {lr: 0.2}}}\n"
        f"- {{name: b, task: digits-cnn, optimizers: {own}}}\n"
    )
    if line is None:
        assert [study.optimizers["adamw"].lr for study in suite(text).studies] == [0.2, 0.1]
        return
    with pytest.raises(SpecError, match=rf"^suite.yaml: workloads\[1\].{line}"):
        suite(text)


def test_the_suite_of_the_documents_is_one():
    text = (Path(__file__).parents[4] / "docs" / "suites.md").read_text("utf-8")
    spec = suite(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    assert [(one.workload, one.budget.epochs) for one in spec.studies] == [
        ("digits", 20),
        ("digits-short", 5),
        ("text", 2),
    ]
