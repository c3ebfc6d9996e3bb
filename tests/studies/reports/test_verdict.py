"""A study's verdict, as run and report give it."""

import subprocess
import sys

import pytest

from studies import StudySpec, load_spec, run
from studies.reports.report import report
from studies.reports.verdict import judge_study, judged, verdict_lines

STUDY = {
    "name": "judged",
    "task": "digits-mlp",
    "budget": {"epochs": 1, "batch_size": 64},
    "seeds": 2,
    "grid": {"lr": {"decades": 2, "points": 5}, "weight_decay": [0]},
    "optimizers": {"sgd": {"lr": 0.1}, "adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2, "mixing": [0.25, 0.5]}},
    "verdict": {"candidate": "ada2ms(mixing=0.5)", "margins": {"robustness": 0.1}},
}


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
    spec = StudySpec(
        **{**STUDY, "verdict": STUDY["verdict"] | {"allow": ["no-confirmation", "edge", "cut-window"]}}
    )
    (verdict,) = judge_study(spec.verdict, done.rows).values()
    text = verdict.summary()
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


def test_a_reason_in_place_of_a_declared_verdict_is_handed_on(done):
    assert judged("the study declares none", done.rows).reason == "no verdict: the study declares none"
