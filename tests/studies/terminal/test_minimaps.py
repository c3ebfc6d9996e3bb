"""Small maps of surfaces: what each three characters say."""

import pandas as pd

from studies.terminal.minimaps import MAX_LINES, minimap, minimaps, shown_values


def rows(*cells):
    """Return a row for each (lr, weight decay, gradient scale, status, validation accuracy, seed, role)."""
    names = ["lr", "weight_decay", "grad_scale", "status", "val_accuracy", "seed", "role"]
    frame = pd.DataFrame(cells, columns=names)
    fixed = {"task": "t", "optimizer": "sgd", "label": "sgd", "chance_accuracy": 0.1}
    return frame.assign(test_accuracy=frame["val_accuracy"], **fixed)


def planned(rates, decays=(0.0,), scales=(1.0,)):
    cells = [("sgd", lr, decay, scale) for scale in scales for decay in decays for lr in rates]
    return pd.DataFrame(cells, columns=["label", "lr", "weight_decay", "grad_scale"])


DONE = (0.1, 0.0, 1.0, "completed", 0.8, 0, "grid")


def test_a_cell_says_its_error_or_why_there_is_none():
    table = rows(
        DONE,
        (0.1, 0.0, 1.0, "completed", 0.7, 1, "grid"),
        (1.0, 0.0, 1.0, "diverged", None, 0, "grid"),
        (10.0, 0.0, 1.0, "failed", None, 0, "grid"),
    )
    words = minimaps(table, planned((0.01, 0.1, 1.0, 10.0)))["sgd"].words
    assert words.loc[(1.0, 0.0)].tolist() == [" ··", " 25", " xx", " !!"]


def test_fresh_seeds_at_the_best_cell_do_not_change_its_error():
    fresh = (0.1, 0.0, 1.0, "completed", 0.1, 1000, "confirm")
    assert minimaps(rows(DONE, fresh), planned((0.1,)))["sgd"].words.loc[(1.0, 0.0), 0.1] == " 20"


def test_a_surface_of_too_many_lines_is_shown_at_gradient_scale_1():
    decays, scales = [0.0, 1e-4, 1e-3, 1e-2], [0.1, 1.0, 10.0, 100.0]
    assert len(decays) * len(scales) > MAX_LINES
    words = minimaps(rows(DONE), planned((0.1,), decays, scales))["sgd"].words
    assert words.index.tolist() == [(1.0, decay) for decay in decays]


def test_a_map_has_a_line_for_each_decay_and_the_ends_of_the_learning_rates_below():
    one = minimaps(rows(DONE), planned((0.1, 1.0), (0.0, 1e-4)))["sgd"]
    lines = minimap("sgd", one).plain.splitlines()
    assert [line.strip() for line in lines] == [
        "sgd",
        "c=1 wd=0  20 ··",
        "c=1 wd=0.0001  ·· ··",
        "lr 0.1 to 1",
    ]


def test_values_of_another_metric_are_shares_of_the_way_from_the_best_cell_to_knowing_nothing():
    table = rows(
        (0.1, 0.0, 1.0, "completed", 0.9, 0, "grid"),
        (1.0, 0.0, 1.0, "completed", 0.7, 0, "grid"),
        (10.0, 0.0, 1.0, "completed", 0.1, 0, "grid"),
        (100.0, 0.0, 1.0, "diverged", None, 0, "grid"),
    )
    assert shown_values(table) == "validation error in %"
    table = table.rename(columns=lambda name: name.replace("accuracy", "metric"))
    table = table.assign(metric="R2", metric_unit=None, metric_direction="max")
    words = minimaps(table, planned((0.1, 1.0, 10.0, 100.0)))["sgd"].words
    # (0.9 - 0.7) / (0.9 - 0.1)
    assert words.loc[(1.0, 0.0)].tolist() == ["  0", " 25", " 99", " xx"]
    assert shown_values(table) == "validation R2: % of the way from the best cell to knowing nothing"


def test_where_nothing_was_learned_all_is_lost():
    table = rows((0.1, 0.0, 1.0, "completed", 0.1, 0, "grid"))
    table = table.rename(columns=lambda name: name.replace("accuracy", "metric"))
    table = table.assign(metric="R2", metric_unit=None, metric_direction="max")
    assert minimaps(table, planned((0.1,)))["sgd"].words.loc[(1.0, 0.0)].tolist() == [" 99"]
