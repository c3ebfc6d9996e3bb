"""Tasks that are judged by a loss, or by a score to be maximized: tables worked by hand, and what must not change."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import analysis
from analysis.judgement.noninferiority import Margins
from analysis.summaries.columns import LAYOUTS, SUMMARY, columns_of, measure_of, numbers_of
from analysis.summaries.latex import latex_table
from analysis.summaries.panels import panels_of
from analysis.summaries.report_tables import report_tables, tasks_without_accuracy
from analysis.task_metric import TaskMetric

LOSS, F1 = TaskMetric("loss", "nats", "min"), TaskMetric("macro F1", "%", "max")
SHOWN = ["metric", "unit", "direction"]
MORE = 1 / 64
"""What the rows' values on test are above those on validation."""


@pytest.fixture(scope="module")
def by_loss(judged):
    """Knowing nothing has loss 4, the best reference 1: D_w is 3. At gradient scale 100 adamw loses on seed 0."""
    adamw = {(0.01, 0.0): [2.0, 2.0], (0.1, 0.0): [1.0, 1.0], (1.0, 0.0): ["diverged", 3.0]}
    sgd = {(0.01, 0.0): [3.0, 3.0], (0.1, 0.0): [2.0, 2.0], (1.0, 0.0): [4.0, 5.0]}
    parts = [judged(adamw, LOSS, nothing=4.0), judged(sgd, LOSS, nothing=4.0, label="sgd")]
    parts.append(judged({(0.1, 0.0): [1.75, 1.0]}, LOSS, nothing=4.0, grad_scale=100.0))
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(train_metric=rows["val_metric"] - 0.25)


@pytest.fixture(scope="module")
def by_score(judged):
    """Knowing nothing scores 0.25, the best reference 0.75: D_w is 0.5."""
    adamw = {(0.01, 0.0): [0.5, 0.5], (0.1, 0.0): [0.75, 0.75], (1.0, 0.0): ["diverged", 0.5]}
    sgd = {(0.01, 0.0): [0.25, 0.0], (0.1, 0.0): [0.5, 0.75], (1.0, 0.0): [0.25, 0.25]}
    rows = pd.concat([judged(adamw, F1, nothing=0.25), judged(sgd, F1, nothing=0.25, label="sgd")])
    return rows.reset_index(drop=True).assign(train_metric=1.0)


def test_cells_are_selected_by_the_smaller_loss(by_loss):
    table = analysis.selected_cells(by_loss)
    assert table.columns.tolist() == [
        "task", "label", "optimizer", *SHOWN, "lr", "weight_decay", "val_metric", "seeds", "edge_distance",
    ]  # fmt: skip
    assert table["lr"].tolist() == [0.1, 0.1]
    assert table["val_metric"].tolist() == [1.0, 2.0]
    assert table[SHOWN].to_numpy().tolist() == [["loss", "nats", "min"]] * 2


def test_cells_are_selected_by_the_larger_score(by_score):
    table = analysis.selected_cells(by_score)
    assert table["lr"].tolist() == [0.1, 0.1]
    assert table["val_metric"].tolist() == [0.75, 0.625]
    tested = analysis.test_error(by_score)
    assert tested["test_metric"].tolist() == [0.75 + MORE, 0.625 + MORE]
    # t at .975 and one degree of freedom; the standard deviation is .125 sqrt 2
    assert tested["low"].tolist()[1] == pytest.approx(0.625 + MORE - 12.706204736 * 0.125, rel=1e-9)
    assert tested["high"].tolist()[1] == pytest.approx(0.625 + MORE + 12.706204736 * 0.125, rel=1e-9)
    assert analysis.test_error_by_seed(by_score)["test_metric"].tolist() == [
        0.75 + MORE, 0.75 + MORE, 0.5 + MORE, 0.75 + MORE,
    ]  # fmt: skip


def test_sensitivity_by_hand(by_loss, by_score):
    table = analysis.sensitivity(by_loss)
    assert table["d_w"].tolist() == [3.0] * 4
    # adamw loses (1, 0, all) and (1, 0, 2) of 3; sgd (1, 0, 2), as 5 counts as knowing nothing
    assert table["sensitivity"].tolist() == pytest.approx([4 / 9, 3 / 9, 3 / 9, 3 / 9], rel=1e-12)
    table = analysis.sensitivity(by_score)
    assert table["d_w"].tolist() == [0.5] * 4
    # of sgd's cells seed 0 has (.25, .5, .25) and seed 1 (.25, .75, .25), each capped at knowing nothing
    assert table["sensitivity"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 3, 2 / 3], rel=1e-12)


def test_transfer_regret_by_hand(by_loss):
    table = analysis.transfer_regret(by_loss)
    assert table["transfer_regret"].tolist()[:2] == [0.25, 0.0]


def test_width_is_within_a_hundredth_of_what_can_be_learned(by_loss, by_score):
    table = analysis.width(by_loss)
    # 1.03 is reached after .03 of the decade to 2.0, and .03 / 2.5 of the one to (4 + 3) / 2
    assert table["width_own"].tolist()[0] == pytest.approx(0.03 + 0.012, rel=1e-9)
    assert table["width_global"].tolist() == pytest.approx([0.042, 0.0], rel=1e-9)
    wide = analysis.width(by_score, delta=0.5)
    # half of D_w is .25: adamw may fall to .5, which it has at lr .01, and on the way to .375
    assert wide["width_own"].tolist()[0] == pytest.approx(1.0 + 0.25 / 0.375, rel=1e-9)


def test_the_gap_is_test_minus_training_in_the_metrics_own_sign(by_loss, by_score):
    assert analysis.generalization_gap(by_loss)["gap"].tolist() == [0.25 + MORE] * 2
    table = analysis.generalization_gap(by_score)
    assert table["gap"].tolist() == [-0.25 + MORE, -0.375 + MORE]
    assert table["train_metric"].tolist() == [1.0, 1.0]
    assert table["low"].tolist()[1] == pytest.approx(-0.375 + MORE - 12.706204736 * 0.125, rel=1e-9)


def test_best_of_k_and_tunability_by_hand(by_score):
    curve = analysis.best_of_k(by_score[by_score["seed"] == 1]).query("label == 'sgd'")
    # on test .25 (knowing nothing) at lr .01, which ties with .25 + MORE at lr 1, and .75 + MORE at the best:
    # of one run the mean; of two both of the tied third of the pairs, else the best; of three the best
    tied, best = 0.25 + MORE / 2, 0.75 + MORE
    expected = [(2 * tied + best) / 3, (tied + 2 * best) / 3, best]
    assert curve["test_metric"].tolist() == pytest.approx(expected, rel=1e-12)
    table = analysis.tunability(by_score[by_score["seed"] == 1]).set_index("label")
    assert table.loc["sgd", "tunability"] == pytest.approx(np.mean(expected), rel=1e-12)


def test_the_summary_has_the_best_first_in_the_metrics_unit(by_score, by_loss):
    table = analysis.summary(by_score)
    assert table.columns.tolist()[:11] == [
        "task", "label", *SHOWN, "best_lr", "best_weight_decay", "edge_distance", "val_metric", "test_metric",
        "test_metric_low",
    ]  # fmt: skip
    assert table["label"].tolist() == ["adamw", "sgd"]
    assert table["val_metric"].tolist() == [0.75, 0.625]
    assert (table["test_metric_low"] <= table["test_metric_high"]).all()
    assert analysis.summary(by_loss)["test_metric"].tolist() == [1.0 + MORE, 2.0 + MORE]


def test_surfaces_and_curves_over_the_learning_rate(by_loss, by_score):
    cells = analysis.surface(by_loss).query("label == 'adamw'")
    assert cells["val_metric"].tolist() == [2.0, 1.0, 3.5]
    panel = panels_of(by_loss, cells, ["adamw"], "weight_decay", "val_metric")["adamw"]
    assert panel.values.tolist() == [[2.0, 1.0, 3.5]]
    assert panel.near_best(1 / 3).tolist() == [[True, True, False]]
    assert panel.near_best(0.33).tolist() == [[False, True, False]]
    cells = analysis.surface(by_score, metric="test_metric").query("label == 'adamw'")
    assert cells["test_metric"].tolist() == [0.5 + MORE, 0.75 + MORE, 0.375 + MORE / 2]
    panel = panels_of(by_score, cells, ["adamw"], "weight_decay", "test_metric")["adamw"]
    assert panel.values[0, 1] == 75 + 100 * MORE
    assert panel.near_best(0.5).tolist() == [[True, True, False]]
    curve = analysis.lr_curve(by_score).query("label == 'adamw'")
    assert curve["val_metric"].tolist() == [0.5, 0.75, 0.375]
    assert curve["level"].unique().tolist() == [0.25]
    assert (curve["low"] <= curve["high"]).all()


def test_wilcoxon_and_the_profile_compare_shares_of_what_can_be_learned(by_loss, by_score):
    both = pd.concat([by_loss, by_score.assign(task="letters")], ignore_index=True)
    pair = analysis.wilcoxon_holm(both).loc[0]
    # adamw is better by 1 of 3, and by .125 of .5
    assert (pair["workloads"], pair["median_share"]) == (2, pytest.approx(-(1 / 3 + 1 / 4) / 2, rel=1e-12))
    profile = analysis.performance_profile(both).query("label == 'sgd'").set_index("ratio")["share"]
    # adamw gained 3 - 1/64 to sgd's 2 - 1/64, and .5 + 1/64 to .375 + 1/64
    ratios = [(0.5 + MORE) / (0.375 + MORE), (3 - MORE) / (2 - MORE)]
    assert profile.index.tolist() == pytest.approx([1.0, *ratios, 4.0], rel=1e-9)
    assert profile.tolist() == [0.0, 0.5, 1.0, 1.0]


@pytest.fixture(scope="module")
def suite(by_loss, by_score, hand):
    """A task by error, one by a loss and one by a score."""
    parts = [hand.assign(train_accuracy=0.99), by_loss.assign(task="text"), by_score.assign(task="words")]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def made(suite):
    return analysis.tables(suite)


def test_a_suite_of_several_metrics_names_each_tasks_metric_and_unit(suite, hand, made):
    metrics = made["metrics"]
    assert metrics.columns.tolist()[:7] == ["task", "label", "optimizer", *SHOWN, "seeds"]
    assert metrics.drop_duplicates("task")[["task", *SHOWN]].to_numpy().tolist() == [
        ["digits", "error", "%", "min"], ["text", "loss", "nats", "min"], ["words", "macro F1", "%", "max"],
    ]  # fmt: skip
    alone = analysis.tables(hand.assign(train_accuracy=0.99))["metrics"]
    own = metrics[metrics["task"] == "digits"].rename(columns=lambda name: name.replace("_metric", "_error"))
    assert_frame_equal(own[alone.columns], alone)
    for name in set(made) - {"metrics"}:
        assert_frame_equal(made[name], getattr(analysis, name)(suite))
    assert (metrics["test_metric_low"].dropna() <= metrics["test_metric_high"].dropna()).all()
    assert metrics[metrics["on_front"]].drop_duplicates("task")["task"].tolist() == [
        "digits",
        "text",
        "words",
    ]


def test_rows_of_a_csv_and_rows_in_categories_are_read_alike(suite):
    expected = analysis.errors(suite)
    assert_frame_equal(analysis.errors(pd.read_csv(io.StringIO(suite.to_csv(index=False)))), expected)
    dressed = suite.astype({"metric": "category", "metric_unit": "category", "val_metric": "Float64"})
    assert_frame_equal(analysis.errors(dressed), expected)


def test_headings_and_bold_numbers_follow_the_metric(by_score, by_loss, suite, made):
    table = analysis.tables(by_score)["metrics"]
    assert columns_of(table, LAYOUTS["metrics"])[:2] == ["label", "test_metric"]
    assert measure_of(table, "test_metric").heading == "Test macro F1, %"
    shown = numbers_of(table, "test_metric")
    assert shown.values.tolist() == [75 + 100 * MORE, 62.5 + 100 * MORE]
    assert shown.best.tolist() == [True, False]
    assert numbers_of(analysis.summary(by_loss), "test_metric").best.tolist() == [True, False]
    text = latex_table(table, LAYOUTS["metrics"])
    assert r"{Test macro F1, \%}" in text
    assert r"\bfseries 76.56" in text
    mixed = made["metrics"]
    assert columns_of(mixed, LAYOUTS["metrics"])[:4] == ["label", "metric", "unit", "test_metric"]
    text = latex_table(mixed, LAYOUTS["metrics"])
    assert "{Test metric}" in text
    assert r"loss & nats & \bfseries 1.02" in text
    assert "val_metric" in columns_of(analysis.summary(suite), SUMMARY)


def test_a_metrics_name_and_unit_are_escaped_in_latex(by_loss):
    odd = analysis.summary(by_loss.assign(metric="F_1", metric_unit="m/s^2"))
    assert r"{Test F\_1, m/s\textasciicircum{}2}" in latex_table(odd, SUMMARY)


def test_a_report_leaves_out_only_what_has_neither_accuracy_nor_metric(by_loss):
    old = by_loss.assign(task="old", metric=None, chance_accuracy=None, val_accuracy=None, test_accuracy=None)
    both = pd.concat([by_loss, old], ignore_index=True)
    assert tasks_without_accuracy(both) == ["old"]
    made = report_tables(both)
    assert [line for line in made.left_out if "old" not in line] == []
    assert_frame_equal(made.summary, analysis.summary(by_loss))


LRS, SEEDS, SCALES = [3e-4 * 10 ** (k / 2) for k in range(5)], 3, (1.0, 1e2)
# 0..20 are twentieths, so that ties are common; 21 diverged, 22 failed
OUTCOMES = st.lists(st.integers(0, 22), min_size=2 * len(LRS) * SEEDS, max_size=2 * len(LRS) * SEEDS)
QUICK = settings(max_examples=3, deadline=None)


def study(outcomes, label):
    names = ["lr", "grad_scale", "seed"]
    rows = pd.MultiIndex.from_product([LRS, SCALES, range(SEEDS)], names=names).to_frame(index=False)
    outcome = pd.Series(outcomes)
    status = outcome.map({21: "diverged", 22: "failed"}).fillna("completed").astype("str")
    accuracy = (1 - outcome / 20).where(outcome <= 20)
    return rows.assign(
        task="digits", optimizer=label, label=label, role="grid", weight_decay=0.0, status=status,
        chance_accuracy=0.1, val_accuracy=accuracy, test_accuracy=accuracy, train_accuracy=accuracy,
    )  # fmt: skip


def judged_by(trials, metric, factor=1.0):
    """Put the errors of rows, times a factor, in place of their accuracies."""
    splits = [split for split in ("chance", "val", "test", "train") if f"{split}_accuracy" in trials]
    values = {f"{split}_metric": factor * (1 - trials[f"{split}_accuracy"]) for split in splits}
    named = {"metric": metric.name, "metric_unit": metric.unit, "metric_direction": metric.direction}
    return trials.drop(columns=[f"{split}_accuracy" for split in splits]).assign(**named, **values)


@QUICK
@given(OUTCOMES, OUTCOMES)
def test_an_error_under_another_name_gives_the_same_measures(one, other):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    by_loss = judged_by(trials, LOSS)
    for table in (analysis.sensitivity, analysis.transfer_regret, analysis.scale_exponent):
        assert_frame_equal(table(by_loss).drop(columns=SHOWN), table(trials), rtol=1e-9, atol=1e-12)
    d_w = analysis.sensitivity(trials)["d_w"]
    share = 0.01 * max(float(d_w.iloc[0]), 0.0) if len(d_w) else 0.0
    widths = analysis.width(by_loss).drop(columns=SHOWN)
    assert_frame_equal(widths, analysis.width(trials, delta=share), rtol=1e-9, atol=1e-9)


@QUICK
@given(OUTCOMES, OUTCOMES)
def test_a_score_to_be_maximized_gives_the_mirrored_tables(one, other):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    costs = analysis.tables(judged_by(trials, LOSS))
    scores = analysis.tables(judged_by(trials, TaskMetric("score", "nats", "max"), factor=-1.0))
    assert set(costs) == set(scores)
    for name, table in costs.items():
        assert_frame_equal(scores[name], mirrored(table), rtol=1e-12, atol=1e-12)


def mirrored(table):
    turned = table.assign(**({"metric": "score", "direction": "max"} if "metric" in table else {}))
    for name in ("test_metric", "train_metric", "gap", "tunability"):
        ends = (
            ("low", "high")
            if name in table and f"{name}_low" not in table
            else (f"{name}_low", f"{name}_high")
        )
        if name not in table:
            continue
        turned[name] = 0.0 - table[name]
        if ends[0] in table:
            turned[ends[0]], turned[ends[1]] = 0.0 - table[ends[1]], 0.0 - table[ends[0]]
    return turned


@QUICK
@given(OUTCOMES, OUTCOMES, st.sampled_from([1e-12, 1e-6, 1e9]))
def test_the_unit_of_a_metric_moves_no_measure(one, other, factor):
    trials = pd.concat([study(one, "adamw"), study(other, "muon")])
    first, second = judged_by(trials, LOSS), judged_by(trials, LOSS, factor)
    in_unit = ["d_w", "sum_sq"]
    for table in (analysis.sensitivity, analysis.width, analysis.variance_decomposition):
        made, known = (table(rows).drop(columns=in_unit, errors="ignore") for rows in (second, first))
        assert_frame_equal(made, known, rtol=1e-7, atol=1e-9)


def test_phi_compares_tasks_by_what_can_be_learned_whatever_they_are_judged_by():
    outcomes = [(7 * i) % 19 for i in range(2 * len(LRS) * SEEDS)]
    tasks = [study(outcomes[3 * k :] + outcomes[: 3 * k], "adamw").assign(task=f"t{k}") for k in range(5)]
    expected = analysis.cross_task_sensitivity(pd.concat(tasks))
    assert expected["phi"].notna().all()
    mixed = [tasks[0], judged_by(tasks[1], LOSS, 3.0), judged_by(tasks[2], F1, -1.0), *tasks[3:]]
    assert_frame_equal(analysis.cross_task_sensitivity(pd.concat(mixed)), expected, rtol=1e-9)


OURS = "ada2ms(mixing=0.5)"


def test_a_verdict_in_the_metrics_unit_is_that_of_the_error(comparison):
    trials = comparison()
    error = analysis.verdict(trials, candidate=OURS)
    loss = analysis.verdict(judged_by(trials, LOSS), candidate=OURS, margins=Margins(generalization=0.0021))
    assert loss.conclusion == error.conclusion == "keeps both"
    assert loss.parts["estimate"].tolist() == pytest.approx(error.parts["estimate"].tolist(), rel=1e-9)
    assert not loss.generalization.in_shares
    line = next(line for line in loss.summary().splitlines() if line.startswith("G, "))
    estimate = error.parts.loc["G", "estimate"]
    assert line.startswith(f"G, test loss E: {OURS} - sgd = {estimate:.5f} nats (90 % interval ")
    assert "margin 0.00210; " in line
    assert "adamw - sgd = 0.0" in line
    assert not any(word in loss.summary() for word in ("percentage", "error"))


def test_a_verdict_by_a_share_of_what_can_be_learned(comparison):
    trials = comparison()
    error = analysis.verdict(trials, candidate=OURS).parts.loc["G"]
    found = analysis.verdict(judged_by(trials, F1, factor=-1.0), candidate=OURS)
    assert found.conclusion == "keeps both"
    d_w = float(analysis.sensitivity(trials)["d_w"].iloc[0])
    part = found.parts.loc["G"]
    assert part["declared"] == 0.002
    assert part["estimate"] == pytest.approx(error["estimate"] / d_w, rel=1e-9)
    line = next(line for line in found.summary().splitlines() if line.startswith("G, "))
    # of a score, what is worse by a positive difference is the reference minus the candidate
    assert line.startswith(f"G, test macro F1 E: sgd - {OURS} = {100 * part['estimate']:.2f} % of D_w (")
    assert "sgd - adamw = " in line
    values = found.endpoints.query("endpoint == 'E'")
    assert values["value"].between(-0.13, -0.09).all()
    assert values["metric"].unique().tolist() == ["macro F1"]


def test_a_verdict_over_different_metrics_needs_a_share(comparison):
    trials = pd.concat([comparison(), judged_by(comparison(task="text", rng=1), LOSS, factor=10.0)])
    found = analysis.verdict(trials, candidate=OURS, margins=Margins(generalization_share=0.01))
    assert found.parts.loc["G", ["workloads", "declared"]].tolist() == [2, 0.01]
    assert "G, test metric E (smaller is better): " in found.summary()
    assert found.generalization.metric is None
    both = [
        analysis.verdict(comparison(), candidate=OURS),
        analysis.verdict(comparison(rng=1), candidate=OURS),
    ]
    d_w = [0.8, 0.8]
    mean = np.mean([one.parts.loc["G", "estimate"] / scale for one, scale in zip(both, d_w, strict=True)])
    assert found.parts.loc["G", "estimate"] == pytest.approx(mean, rel=1e-2)
    with pytest.raises(ValueError, match="margins must have generalization_share"):
        analysis.verdict(trials, candidate=OURS, margins=Margins(generalization=0.01))


def test_what_makes_a_comparison_invalid_is_found_by_metric_too(comparison):
    trials = judged_by(comparison(), LOSS)
    assert analysis.check(trials).empty
    first = (
        (trials["label"] == "sgd")
        & (trials["seed"] == 0)
        & (trials["lr"] == 0.01)
        & (trials["role"] == "grid")
    )
    found = analysis.check(trials.assign(val_metric=trials["val_metric"].mask(first)))
    assert "null-result" in set(found["problem"])
    same = analysis.check(trials.assign(test_metric=trials["val_metric"]))
    assert same["detail"].tolist() == [
        "validation and test loss are equal in all 135 runs: it is the same split"
    ]
    nothing = analysis.check(trials.assign(val_metric=0.95))
    assert "nothing-learned" in set(nothing["problem"])
