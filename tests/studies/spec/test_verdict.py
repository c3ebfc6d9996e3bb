"""A study declares its verdict, and run and report speak it."""

import copy

import pytest

from studies import StudySpec, load_spec
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
        (
            {"margins": {"generalization": 0.1, "generalization_share": 0.01}},
            "verdict.margins.generalization_share: 0.01: must not stand beside a generalization of 0.1",
        ),
        (
            {"margins": {"generalization_share": 2.0}},
            "verdict.margins.generalization_share: 2.0: must be in (0, 1)",
        ),
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


def test_a_margin_that_is_a_share_is_written_where_it_is_declared():
    spec = StudySpec(**judged(margins={"generalization_share": 0.01}))
    assert spec.verdict.margins.generalization_share == 0.01
    again = StudySpec.from_text(spec.to_yaml(), "again")
    assert again.verdict == spec.verdict
    assert "generalization_share" not in StudySpec(**judged()).to_yaml()


def test_quickstart_names_a_candidate():
    assert load_spec("quickstart").verdict.candidate == ("ada2ms(mixing=0.5)",)
