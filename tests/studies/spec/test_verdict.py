"""A study declares its verdict, and run and report speak it."""

import copy
import subprocess
import sys

import pytest

from studies import StudySpec, load_spec, run
from studies.reports.report import report
from studies.reports.verdict import judge_study, verdict_lines
from studies.spec.errors import SpecError

STUDY = {
    "name": "judged",
    "task": "digits-mlp",
    "budget": {"epochs": 1, "batch_size": 64},
    "seeds": 2,
    "grid": {"lr": {"decades": 2, "points": 5}, "weight_decay": [0]},
    "optimizers": {"sgd": {"lr": 0.1}, "adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2, "mixing": [0.25, 0.5]}},
    "verdict": {"candidate": "ada2ms(mixing=0.5)", "margins": {"robustness": 0.1}},
}


def judged(**verdict):
    study = copy.deepcopy(STUDY)
    study["verdict"] |= verdict
    return study


def test_what_is_not_given_is_the_default_and_is_written_into_the_study_file():
    spec = StudySpec(**STUDY)
    assert spec.verdict.candidate == ("ada2ms(mixing=0.5)",)
    assert (spec.verdict.margins.robustness, spec.verdict.margins.generalization) == (0.1, 0.002)
    text = spec.to_yaml()
    assert "robustness_reference: adamw" in text
    assert "generalization: 0.002" in text
    assert StudySpec.from_text(text, "again") == spec


def test_several_candidates_are_a_list():
    both = ["ada2ms(mixing=0.25)", "ada2ms(mixing=0.5)"]
    assert StudySpec(**judged(candidate=both)).verdict.candidate == tuple(both)


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (
            {"candidate": "ada2ms(mixing=0.4)"},
            "verdict.candidate: 'ada2ms(mixing=0.4)': must be a label of this study: sgd, adamw, "
            "ada2ms(mixing=0.25), ada2ms(mixing=0.5) (did you mean 'ada2ms(mixing=0.5)'?)",
        ),
        ({"candidate": []}, "verdict.candidate: []: must not be empty"),
        ({"candidate": ["sgd"]}, "verdict.candidate: 'sgd': must not be one of the references too"),
        ({"candidate": 3}, "verdict.candidate[0]: 3: must be text"),
        (
            {"robustness_reference": "sgd"},
            "verdict.generalization_reference: 'sgd': must not be the robustness_refe",
        ),
        (
            {"generalization_reference": "sdg"},
            "verdict.generalization_reference: 'sdg': must be a label of this st",
        ),
        ({"margins": {"robustness": 0}}, "verdict.margins.robustness: 0.0: must be in (0, 1)"),
        ({"margins": {"generalization": "2%"}}, "verdict.margins.generalization: '2%': must be a number"),
        (
            {"margins": {"robust": 0.1}},
            "verdict.margins.robust: 0.1: unknown key; allowed: robustness, generaliz",
        ),
        ({"alpha": 0.5}, "verdict.alpha: 0.5: must be less than 0.5"),
        ({"alhpa": 0.1}, "verdict.alhpa: 0.1: unknown key"),
        ({"allow": ["edges"]}, "verdict.allow[0]: 'edges': must be one of null-status"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(verdict, message):
    with pytest.raises(SpecError) as caught:
        StudySpec(**judged(**verdict))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The study trained, without Ray."""
    out = tmp_path_factory.mktemp("judged") / "judged"
    return run(StudySpec(**STUDY), out=out, workers=0)


def test_run_ends_with_a_sentence_for_each_candidate(done):
    assert len(done.verdict) == 1
    assert done.verdict[0].startswith(
        "Invalid: whether ada2ms(mixing=0.5) keeps adamw's robustness and sgd's"
    )
    assert "no-confirmation" in done.verdict[0]


def test_the_command_prints_it_at_the_end_and_report_with_all_it_rests_on(done):
    command = [sys.executable, "-m", "studies.cli", "report", done.location]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = report(done.location).verdict
    assert text[0] in shown
    assert text[0].startswith(done.verdict[0])
    assert "G, test error E: ada2ms(mixing=0.5) - sgd = " in text[0]


def test_what_is_overridden_is_shown(done):
    spec = StudySpec(**judged(allow=["no-confirmation", "edge", "cut-window"]))
    (made,) = judge_study(spec.verdict, done.rows).values()
    text = made.summary()
    assert not text.startswith("Invalid")
    assert "Overridden: no-confirmation (digits-mlp, adamw)" in text
    assert (
        "R2, transfer regret T: ada2ms(mixing=0.5) - adamw: not testable: no task on which all three" in text
    )


def test_too_few_seeds_are_no_verdict_and_no_error(done):
    one = done.rows[done.rows["seed"] == 0]
    lines = verdict_lines(StudySpec(**STUDY).verdict, one)
    assert lines == [
        "No verdict: at least 2 seeds are needed for an interval, but ada2ms(mixing=0.5) has 1 for S on digits-mlp."
    ]


def test_a_study_without_a_verdict_says_nothing(done):
    assert verdict_lines(None, done.rows) == []
    assert load_spec("smoke").verdict is None


def test_quickstart_names_a_candidate():
    assert load_spec("quickstart").verdict.candidate == ("ada2ms(mixing=0.5)",)
