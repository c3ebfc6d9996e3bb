"""The rule on endpoint values worked by hand, and the verdict on whole trials."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import analysis
from analysis.judgement.convention import older_convention
from analysis.judgement.noninferiority import Margins
from analysis.judgement.rule import conclude, judge

NAMES = ("ada", "adamw", "sgd")
TABLES = ("parts", "assay", "preserved")
# candidate, adamw, sgd: the candidate is as good as AdamW on S and T and as SGD on E
KEEPS = {"S": (0.10, 0.10, 0.40), "T": (0.0, 0.0, 0.5), "E": (0.050, 0.060, 0.050)}


def values(means=KEEPS, noise=0.0, seeds=4, tasks=("digits",)):
    """Endpoint values around `means`; their sample standard deviation is `noise` times the gap."""
    steps = np.arange(seeds) - (seeds - 1) / 2
    steps = steps / steps.std(ddof=1)
    return pd.DataFrame(
        [
            (endpoint, task, label, seed, mean + noise * abs(three[1] - three[2]) * steps[seed])
            for endpoint, three in means.items()
            for task in tasks
            for label, mean in zip(NAMES, three, strict=True)
            for seed in range(seeds)
        ],
        columns=["endpoint", "task", "label", "seed", "value"],
    )


def decide(table):
    return judge({"ada": table}, ("adamw", "sgd"), Margins(), 0.05)["ada"]


@pytest.mark.parametrize(
    ("change", "noise", "decisions"),
    [
        ({}, 0.02, ["kept", "kept", "kept"]),
        ({"S": (0.3, 0.1, 0.4)}, 0.02, ["not kept", "kept", "kept"]),
        ({"E": (0.060, 0.060, 0.050)}, 0.02, ["kept", "kept", "not kept"]),
        ({}, 0.4, ["inconclusive", "inconclusive", "inconclusive"]),
        ({"E": (0.05, 0.05, 0.05)}, 0.02, ["kept", "kept", "not testable"]),
        ({"T": (0.0, 0.5, 0.0)}, 0.02, ["kept", "not testable", "kept"]),
        ({"S": (0.1, 0.1, 0.11)}, 0.0, ["kept", "kept", "kept"]),  # no noise at all
    ],
)
def test_the_decision_on_each_part(change, noise, decisions):
    assert decide(values(KEEPS | change, noise)).parts["decision"].tolist() == decisions


@pytest.mark.parametrize(
    ("decisions", "conclusion"),
    [
        ("kept kept kept", "keeps both"),
        ("kept inconclusive kept", "inconclusive"),
        ("kept inconclusive not_testable", "not testable"),
        ("not_kept inconclusive not_testable", "not kept"),
        ("invalid invalid invalid", "invalid"),
    ],
)
def test_the_gravest_decision_is_the_conclusion(decisions, conclusion):
    assert conclude(word.replace("_", " ") for word in decisions.split()) == conclusion


def test_a_part_by_hand():
    table = values({"S": (0.11, 0.10, 0.40)}, seeds=4, noise=0.1)  # each standard deviation is .03
    found = decide(table).parts.loc["R1"]
    # t at .95 and 6 degrees of freedom; S is cross-fitted, so a mean has the variance .03^2 (1 / 4 + 1 / 3)
    half = 1.9431802805153022 * 0.03 * math.sqrt(2 * (1 / 4 + 1 / 3))
    assert found[["endpoint", "candidate", "reference", "worse_reference"]].tolist() == ["S", *NAMES]
    assert found["estimate"] == pytest.approx(0.01, rel=1e-9)
    assert [found["low"], found["high"]] == pytest.approx([0.01 - half, 0.01 + half], rel=1e-9)
    assert found["margin"] == found["declared"] == 0.05
    assert (found["p"] < 0.05) == (0.01 + half < 0.05)


def test_the_fractions_and_the_assay_by_hand():
    judged = decide(values({"S": (0.2, 0.1, 0.5), "E": (0.052, 0.06, 0.05)}))
    assert judged.preserved["name"].tolist() == ["f_R", "f_T", "f_G"]
    assert judged.preserved["fraction"].tolist() == pytest.approx([0.75, math.nan, 0.8], nan_ok=True)
    assert judged.assay.loc["G", ["better", "worse"]].tolist() == ["sgd", "adamw"]
    assert judged.assay["gap"].tolist() == pytest.approx([0.4, math.nan, 0.01], nan_ok=True)


def test_test_errors_are_independent_and_compared_by_welch():
    found = decide(values({"E": (0.051, 0.06, 0.05)}, seeds=4, noise=0.1)).parts.loc["G"]
    half = 1.9431802805153022 * 0.001 * math.sqrt(2 / 4)
    assert [found["low"], found["high"]] == pytest.approx([0.001 - half, 0.001 + half], rel=1e-9)


def test_workloads_count_equally_whatever_their_seeds():
    both = pd.concat(
        [values({"S": (0.1, 0.1, 0.4)}, seeds=2), values({"S": (0.3, 0.1, 0.4)}, seeds=8, tasks=["b"])]
    )
    found = decide(both).parts.loc["R1"]
    assert (found["workloads"], found["estimate"]) == (2, pytest.approx(0.1, rel=1e-9))


def test_an_endpoint_without_values_is_not_testable_and_says_why():
    judged = decide(values({name: KEEPS[name] for name in "SE"}))
    assert judged.parts["decision"].tolist() == ["kept", "not testable", "kept"]
    assert "gradient scale other than 1" in judged.parts.loc["R2", "reason"]
    assert judged.seeds_needed is None


def test_a_workload_that_one_of_the_three_lacks_is_named():
    table = values(tasks=("a", "b"))
    table = table[(table["task"] == "a") | (table["label"] != "sgd") | (table["endpoint"] != "S")]
    found = decide(table).parts
    assert found["workloads"].tolist() == [1, 2, 2]
    assert found.loc["R1", "reason"] == "without b, where one of the three has no value"


def test_one_seed_is_refused():
    with pytest.raises(
        ValueError, match="at least 2 seeds are needed for an interval, but ada has 1 for S on d"
    ):
        decide(values(seeds=4).query("seed == 0"))


def test_seeds_are_infinite_beyond_the_margin():
    judged = decide(values(KEEPS | {"S": (0.16, 0.1, 0.4)}, 0.4))
    assert judged.parts["seeds_needed"].map(math.isinf).tolist() == [True, False, False]
    assert judged.seeds_needed == math.inf


def test_several_candidates_are_corrected_by_holm():
    table = values(noise=0.08)
    other = table.replace("ada", "eve")
    alone = decide(table).parts
    made = judge({"ada": table, "eve": other}, ("adamw", "sgd"), Margins(), 0.05)
    assert alone["p"].tolist() == alone["p_holm"].tolist()
    assert made["eve"].parts["p"].tolist() == alone["p"].tolist()
    worst = max(alone["p"])  # the last two of six tests: their factors are 2 and 1, the larger holds for both
    assert made["eve"].parts["p_holm"].max() == pytest.approx(2 * worst, rel=1e-9)
    assert (made["ada"].parts["seeds_needed"] >= alone["seeds_needed"]).all()


def test_whole_trials_keep_both(comparison):
    found = analysis.verdict(comparison(), candidate="ada2ms(mixing=0.5)")
    assert found.conclusion == "keeps both"
    assert found.sentence() == "ada2ms(mixing=0.5) keeps adamw's robustness and sgd's generalization."
    assert found.problems.empty
    # S is the curvature over D_w = .8, whose mean over the window is 1
    assert found.parts.loc["R1", "estimate"] == pytest.approx(0.002 / 0.8, abs=1e-3)
    assert found.assay.loc["R2", "gap"] == pytest.approx(0.4 / 0.8, abs=1e-3)
    assert found.preserved.loc["G", "fraction"] == pytest.approx(0.99, abs=0.03)


def test_what_check_finds_makes_it_invalid_unless_it_is_allowed(comparison):
    trials = comparison()
    trials = trials[trials["role"] == "grid"]
    found = analysis.verdict(trials, candidate="ada2ms(mixing=0.5)")
    assert found.conclusion == "invalid"
    assert found.sentence().startswith("Invalid: ")
    assert "no-confirmation" in found.sentence()
    allowed = analysis.verdict(trials, candidate="ada2ms(mixing=0.5)", allow=["no-confirmation", "edge"])
    assert allowed.conclusion == "keeps both"
    assert allowed.allowed == ("no-confirmation",)
    assert "Overridden: no-confirmation (digits, sgd)" in allowed.summary()


def test_another_optimizers_faults_do_not_matter(comparison):
    trials = comparison()
    foreign = trials[trials["label"] == "sgd"].assign(label="zeno", optimizer="zeno", status="failed")
    found = analysis.verdict(pd.concat([trials, foreign]), candidate="ada2ms(mixing=0.5)")
    assert found.conclusion == "keeps both"


def test_diverged_runs_count_as_the_worst(comparison):
    trials = comparison()
    lost = (trials["label"] == "ada2ms(mixing=0.5)") & (trials["lr"] > 0.1) & (trials["grad_scale"] == 1)
    trials.loc[lost, "status"] = "diverged"
    trials.loc[lost, ["val_accuracy", "test_accuracy"]] = np.nan
    found = analysis.verdict(trials, candidate="ada2ms(mixing=0.5)")
    assert found.parts.loc["R1", "decision"] == "not kept"
    assert found.sentence() == (
        "Not kept: ada2ms(mixing=0.5) keeps adamw's robustness (transfer regret T) and sgd's generalization, but "
        "it does not keep adamw's robustness (sensitivity S)."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"candidate": "ada2ms"},
            r"candidate must be a label .* 'ada2ms' \(did you mean 'ada2ms\(mixing=0.5\)'",
        ),
        ({"candidate": "sgd"}, "must be three labels, but got 'sgd', 'adamw' and 'sgd'"),
        ({"robustness_reference": "adam"}, r"robustness_reference must be .* \(did you mean 'adamw'\?\)"),
        ({"alpha": 0.5}, r"alpha must be in \(0, 0.5\), but got 0.5"),
        (
            {"allow": ["edges"]},
            r"allow must name what check finds, but got 'edges' \(did you mean 'edge'\?\)",
        ),
    ],
)
def test_what_is_wrong_is_named(comparison, arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.verdict(comparison(), **({"candidate": "ada2ms(mixing=0.5)"} | arguments))


def test_no_rows_and_a_missing_column_are_refused(comparison):
    with pytest.raises(ValueError, match="at least one row"):
        analysis.verdict(comparison().iloc[:0], candidate="sgd")
    with pytest.raises(ValueError, match=r"must have the column 'label' \(the optimizer with its fixed"):
        analysis.verdict(comparison().drop(columns="label"), candidate="sgd")
    with pytest.raises(TypeError, match="allow must be a sequence of names, but got the string 'edge'"):
        analysis.verdict(comparison(), candidate="sgd", allow="edge")


def test_html_escapes_every_name(comparison):
    trials = comparison().replace("ada2ms(mixing=0.5)", "<script>alert(1)</script>")
    shown = analysis.verdict(trials, candidate="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;") > 3


def test_the_summary_of_an_open_verdict_says_what_would_settle_it(comparison):
    trials = comparison()
    ours = (trials["label"] == "ada2ms(mixing=0.5)") & (trials["role"] == "confirm")
    trials.loc[ours, "test_accuracy"] -= trials.loc[ours, "seed"].map({1000: -0.01, 1001: 0.0, 1002: 0.01})
    found = analysis.verdict(trials, candidate="ada2ms(mixing=0.5)")
    assert found.conclusion == "inconclusive"
    assert "whether it keeps sgd's generalization is open" in found.sentence()
    assert f"about {found.seeds_needed:.0f} seeds per workload" in found.sentence()
    assert found.summary() == repr(found)


@settings(max_examples=4, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([1e-3, 7.0]), st.integers(0, 3))
def test_order_units_names_and_foreign_optimizers_change_nothing(comparison, random, factor, rng):
    trials = comparison(rng=rng)
    order = list(range(len(trials)))
    random.shuffle(order)
    foreign = trials[trials["label"] == "adamw"].assign(label="zeno", val_accuracy=0.99)
    foreign["optimizer"] = "zeno"
    other = pd.concat([trials.iloc[order], foreign]).assign(lr=lambda rows: rows["lr"] * factor)
    other = other.replace("ada2ms(mixing=0.5)", "muon")
    first = analysis.verdict(trials, candidate="ada2ms(mixing=0.5)")
    second = analysis.verdict(other, candidate="muon")
    for name in TABLES:
        renamed = getattr(first, name).replace("ada2ms(mixing=0.5)", "muon")
        assert_frame_equal(getattr(second, name), renamed, rtol=1e-6, atol=1e-9)
    assert second.conclusion == first.conclusion


CANDIDATE = "ada2ms(mixing=0.5)"


def test_the_verdict_says_that_the_older_convention_of_divergence_decides_the_same(comparison):
    trials = comparison().assign(final_over_initial=0.5)
    small = trials["label"].eq("sgd") & trials["lr"].eq(trials["lr"].min())
    result = analysis.verdict(trials.assign(final_over_initial=(0.5 + small)), candidate=CANDIDATE)
    assert result.conclusion == "keeps both"
    assert result.convention.endswith("the decisions would differ in none")
    assert f"{result.convention}." in result.summary().splitlines()


def test_the_verdict_says_which_decisions_the_older_convention_changes(comparison):
    trials = comparison()
    scaled = trials["label"].eq(CANDIDATE) & trials["grad_scale"].gt(1)
    result = analysis.verdict(
        trials.assign(final_over_initial=np.where(scaled, 1.5, 0.5)), candidate=CANDIDATE
    )
    assert result.conclusion == "keeps both"
    assert result.convention.endswith("the decisions would differ: R2 not kept for kept")


def test_rows_that_cannot_tell_say_nothing_of_the_older_convention(comparison):
    assert analysis.verdict(comparison(), candidate=CANDIDATE).convention == ""


def test_the_older_convention_counts_completed_runs_above_their_initial_loss_as_diverged(rows):
    trials = rows({(0.1, 0.0): [0.2, 0.3, "diverged", "failed"]})
    older = older_convention(trials.assign(final_over_initial=[1.01, 1.0, np.nan, np.nan]))
    assert older["status"].tolist() == ["diverged", "completed", "diverged", "failed"]
    assert_frame_equal(older_convention(trials), trials)
