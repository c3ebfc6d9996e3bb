"""What must not move the numbers: the order of rows, other optimizers, units, names."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import analysis

LRS = [3e-4 * 10 ** (k / 2) for k in range(5)]
DECAYS, SEEDS = [0.0, float("nan")], 3
# selection, test error and width are in the summary
TABLES = [analysis.summary, analysis.sensitivity, analysis.surface]
SCALES = (1e-2, 1.0, 1e2)
# 0..20 are errors in twentieths, so that ties are common; 21 diverged, 22 failed
OUTCOMES = st.lists(st.integers(0, 22), min_size=30, max_size=30)
QUICK = settings(max_examples=8, deadline=None)
ALL_TABLES = settings(max_examples=4, deadline=None)
# the last bit of pandas' mean of a group may depend on how many groups there are beside it
LAST_BIT = {"rtol": 1e-14, "atol": 0.0}


def study(outcomes: list[int], label: str) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([LRS, DECAYS, range(SEEDS)], names=["lr", "weight_decay", "seed"])
    rows = index.to_frame(index=False).assign(
        task="digits", optimizer=label, label=label, grad_scale=1.0, role="grid", chance_accuracy=0.1
    )
    outcome = pd.Series(outcomes)
    rows["status"] = outcome.map({21: "diverged", 22: "failed"}).fillna("completed").astype("str")
    rows["val_accuracy"] = (1 - outcome / 20).where(outcome <= 20)
    return rows.assign(test_accuracy=rows["val_accuracy"])


@QUICK
@given(OUTCOMES, OUTCOMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(one, other, random):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")], ignore_index=True)
    order = list(range(len(trials)))
    random.shuffle(order)
    for table in TABLES:
        assert_frame_equal(table(trials.iloc[order]), table(trials), check_exact=True)


@QUICK
@given(OUTCOMES, OUTCOMES, OUTCOMES)
def test_a_foreign_optimizer_leaves_the_others_alone(one, other, foreign):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    more = pd.concat([trials, study(foreign, "zeno")])
    for table in (analysis.sensitivity, analysis.selected_cells, analysis.test_error):
        with_it = table(more)
        rest = with_it[with_it["label"] != "zeno"].reset_index(drop=True)
        if "d_w_source" not in rest or (rest["d_w_source"] == "adamw").all():
            assert_frame_equal(rest, table(trials), **LAST_BIT)


@QUICK
@given(OUTCOMES, OUTCOMES, st.sampled_from([1e-3, 0.3, 7.0, 1e4]))
def test_the_unit_of_the_learning_rate_does_not_matter(one, other, factor):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    scaled = trials.assign(lr=trials["lr"] * factor)
    for table in (analysis.sensitivity, analysis.width):
        first = table(trials).drop(columns="reference_lr", errors="ignore")
        second = table(scaled).drop(columns="reference_lr", errors="ignore")
        assert_frame_equal(first, second, rtol=1e-9, atol=1e-12)


@QUICK
@given(OUTCOMES, OUTCOMES)
def test_names_do_not_matter(one, other):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    renamed = pd.concat([study(one, "adamw"), study(other, "aaron")])
    for table in (analysis.sensitivity, analysis.width):
        first, second = table(trials), table(renamed)
        names = ["label", "optimizer"]
        first = first[first["label"] == "muon"].drop(columns=names).reset_index(drop=True)
        second = second[second["label"] == "aaron"].drop(columns=names).reset_index(drop=True)
        assert_frame_equal(first, second, check_exact=True)


@QUICK
@given(OUTCOMES)
def test_sensitivity_never_exceeds_one_and_a_plug_in_is_never_negative(outcomes):
    trials = study(outcomes, "adamw")
    assert analysis.sensitivity(trials)["sensitivity"].dropna().le(1).all()
    alone = analysis.sensitivity(trials[trials["seed"] == 0])
    assert alone["sensitivity"].dropna().ge(0).all()


def scaled_study(outcomes: list[int], label: str) -> pd.DataFrame:
    """The study at three gradient scales, each with the outcomes turned on by a few places."""
    turned = [outcomes[7 * i :] + outcomes[: 7 * i] for i in range(len(SCALES))]
    parts = [study(part, label).assign(grad_scale=c) for part, c in zip(turned, SCALES, strict=True)]
    return pd.concat(parts).assign(train_accuracy=1.0)


# a Pareto front, ratios, ranks and corrections are relative to the pool by their nature
RELATIVE = {"performance_profile", "wilcoxon_holm", "metrics"}


@ALL_TABLES
@given(OUTCOMES, OUTCOMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_table(one, other, random):
    trials = pd.concat([scaled_study(one, "adamw"), scaled_study(other, "muon")], ignore_index=True)
    order = list(range(len(trials)))
    random.shuffle(order)
    expected = analysis.tables(trials)
    for name, table in analysis.tables(trials.iloc[order]).items():
        assert_frame_equal(table, expected[name], check_exact=True)


@ALL_TABLES
@given(OUTCOMES, OUTCOMES, OUTCOMES)
def test_a_foreign_optimizer_moves_no_table_of_the_others(one, other, foreign):
    trials = pd.concat([scaled_study(one, "adamw"), scaled_study(other, "muon")])
    expected = analysis.tables(trials)
    with_it = analysis.tables(pd.concat([trials, scaled_study(foreign, "zeno")]))
    if not (expected["sensitivity"]["d_w_source"] == "adamw").all():
        return
    for name in set(expected) - RELATIVE:
        rest = with_it[name][with_it[name]["label"] != "zeno"].reset_index(drop=True)
        columns = [name for name in rest if not name.endswith("_global")]
        assert_frame_equal(rest[columns], expected[name][columns], **LAST_BIT)


@ALL_TABLES
@given(OUTCOMES, OUTCOMES, st.sampled_from([1e-3, 0.3, 7.0, 1e4]))
def test_the_unit_of_the_learning_rate_moves_no_metric(one, other, factor):
    trials = pd.concat([scaled_study(one, "adamw"), scaled_study(other, "muon")])
    first, second = analysis.tables(trials), analysis.tables(trials.assign(lr=trials["lr"] * factor))
    for name in ("metrics", "variance_decomposition", "best_of_k", "wilcoxon_holm"):
        assert_frame_equal(first[name], second[name], rtol=1e-7, atol=1e-9)


@ALL_TABLES
@given(OUTCOMES, OUTCOMES)
def test_every_label_is_in_every_table_whatever_failed(one, other):
    trials = pd.concat([scaled_study(one, "adamw"), scaled_study(other, "muon")])
    made = analysis.tables(trials)
    for name in (
        "metrics",
        "scale_exponent",
        "tunability",
        "variance_decomposition",
        "cross_task_sensitivity",
    ):
        assert set(made[name]["label"]) == {"adamw", "muon"}
    sums = made["variance_decomposition"].query("balanced").groupby("label")["eta_squared"].sum(min_count=1)
    assert sums.dropna().sub(1).abs().le(1e-9).all()
    curves = made["best_of_k"].groupby("label")["k"].max()
    # a run that diverged is a run: only failed ones shorten the curve
    usable = (
        trials[(trials["status"] != "failed") & (trials["grad_scale"] == 1)].groupby(["label", "seed"]).size()
    )
    assert curves.to_dict() == usable.groupby("label").max().to_dict()


def test_numbers_and_names_may_be_numpys(rows, hand):
    cells = {(0.1, 0.0): [0.3, 0.2], (1.0, 0.0): [0.4, 0.4]}
    trials = pd.concat([hand, rows(cells, "sgd"), rows(cells, "mine")])
    names = np.array(["adamw", "sgd"])
    assert_frame_equal(analysis.sensitivity(trials, references=names), analysis.sensitivity(trials))
    assert_frame_equal(analysis.width(trials, delta=np.float32(0.25)), analysis.width(trials, delta=0.25))
    assert_frame_equal(analysis.surface(trials, at=np.int64(1)), analysis.surface(trials, at=1.0))
    numpys = {"margins": analysis.Margins(np.float64(0.1), np.float64(0.01)), "alpha": np.float64(0.1)}
    plain = {"margins": analysis.Margins(0.1, 0.01), "alpha": 0.1}
    allow = {"allow": np.array(sorted(analysis.PROBLEMS))}
    judged = [
        analysis.verdict(trials, candidate=np.str_("mine"), **kind, **allow) for kind in (numpys, plain)
    ]
    assert judged[0].summary() == judged[1].summary()
