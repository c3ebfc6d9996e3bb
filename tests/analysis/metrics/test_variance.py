import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import analysis

FORMULA = "m ~ C(lr) * C(weight_decay) * C(grad_scale)"


def surface(rows, keep=1.0, levels=(4, 3, 2), seeds=3, rng=0):
    random = np.random.default_rng(rng)
    parts = []
    for scale in 10.0 ** np.arange(levels[2]):
        cells = {
            (10.0**i, 10.0**j): random.uniform(0.1, 0.8, seeds).tolist()
            for i in range(levels[0]) for j in range(levels[1])
        }  # fmt: skip
        parts.append(rows(cells, grad_scale=scale))
    trials = pd.concat(parts, ignore_index=True)
    return trials[random.random(len(trials)) < keep]


def residual(trials, terms):
    """Residual sum of squares and rank of a linear model, by brute force on every run."""
    codes = [pd.factorize(trials[name])[0] for name in ("lr", "weight_decay", "grad_scale")]
    columns = [np.ones((len(trials), 1))]
    for term in terms:
        cell = pd.factorize(pd.Series(zip(*(codes[axis] for axis in term), strict=True)))[0]
        columns.append(np.eye(cell.max() + 1)[cell])
    design, m = np.concatenate(columns, axis=1), 1 - trials["val_accuracy"].to_numpy()
    rank = np.linalg.matrix_rank(design)
    return float(((m - design @ (np.linalg.pinv(design) @ m)) ** 2).sum()), rank


def test_the_hand_worked_table(rows):
    # errors 1 3 / 5 11 in tenths of .06: lr effect 6, decay effect 4, interaction 2, in halves
    trials = rows({(1.0, 0.0): [0.06], (1.0, 1.0): [0.18], (2.0, 0.0): [0.30], (2.0, 1.0): [0.66]})
    table = analysis.variance_decomposition(trials)
    assert table["term"].tolist() == ["lr", "weight_decay", "lr:weight_decay", "seed"]
    np.testing.assert_allclose(table["sum_sq"], np.array([36, 16, 4, 0]) * 0.06**2, atol=1e-12)
    np.testing.assert_allclose(table["eta_squared"], np.array([36, 16, 4, 0]) / 56, atol=1e-12)
    assert table["df"].tolist() == [1, 1, 1, 0]
    assert table["balanced"].all()


@pytest.mark.parametrize("keep", [1.0, 0.9])
def test_agrees_with_statsmodels(rows, keep):
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    trials = surface(rows, keep)
    table = analysis.variance_decomposition(trials)
    model = smf.ols(FORMULA, trials.assign(m=1 - trials["val_accuracy"])).fit()
    expected = anova_lm(model, typ=2)
    np.testing.assert_allclose(table["sum_sq"], expected["sum_sq"], rtol=1e-9)
    np.testing.assert_allclose(table["df"], expected["df"], rtol=1e-12)
    assert [term.replace(":", "") for term in table["term"][:-1]] == [
        term.translate(str.maketrans("", "", "C():")) for term in expected.index[:-1]
    ]
    assert table["balanced"].unique().tolist() == [keep == 1.0]


def test_cells_without_a_run_are_compared_model_by_model(rows):
    """statsmodels warns of a rank-deficient design here; the definition still holds."""
    trials = surface(rows, keep=0.45, rng=3)
    table = analysis.variance_decomposition(trials).set_index("term")
    factors = ("lr", "weight_decay", "grad_scale")
    terms = [term for size in (1, 2, 3) for term in combinations(range(3), size)]
    names = {":".join(factors[axis] for axis in term): term for term in terms}
    assert trials.groupby(["lr", "weight_decay", "grad_scale"]).ngroups < 24
    for name, term in names.items():
        lower = [other for other in names.values() if not set(term) <= set(other)]
        (without, rank), (with_it, full_rank) = residual(trials, lower), residual(trials, [*lower, term])
        assert table.loc[name, "sum_sq"] == pytest.approx(without - with_it, abs=1e-9)
        assert table.loc[name, "df"] == full_rank - rank


def test_a_constant_factor_is_left_out(rows, hand):
    table = analysis.variance_decomposition(hand)
    assert table["term"].tolist() == ["lr", "weight_decay", "lr:weight_decay", "seed"]
    one_lr = analysis.variance_decomposition(rows({(0.1, np.nan): [0.1, 0.2], (0.1, 0.0): [0.3, 0.4]}))
    assert one_lr["term"].tolist() == ["weight_decay", "seed"]
    np.testing.assert_allclose(one_lr["eta_squared"], [0.8, 0.2], rtol=1e-9)


def test_equal_errors_and_failed_labels_have_no_shares(rows):
    trials = pd.concat(
        [rows({(0.1, 0.0): [0.3, 0.3], (1.0, 0.0): [0.3, 0.3]}), rows({(0.1, 0.0): ["failed"]}, "sgd")]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = analysis.variance_decomposition(trials)
    assert table["eta_squared"].isna().all()
    assert table["runs"].tolist() == [4, 4, 0]
