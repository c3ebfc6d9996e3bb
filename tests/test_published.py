"""What is published of the main studies follows from the rows that are published with it, to twelve digits."""

import io
import runpy
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import escape

import analysis
from studies import load
from studies.reports.report import table_files
from studies.searches.scoring import Scorer
from studies.spec.presets import load_spec

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "studies" / "published"
FOLDERS = sorted(file.parent for file in PUBLISHED.glob("*/study.yaml"))
SEARCHES = [folder for folder in FOLDERS if folder.name.startswith("search-")]
WORKLOADS = [folder for folder in FOLDERS if folder not in SEARCHES]
TABLES = ("points", "front", "references", "confirmed")


@pytest.fixture(scope="module")
def publish():
    return runpy.run_path(str(PUBLISHED / "publish.py"))


@pytest.fixture(scope="module")
def rows(publish):
    return publish["read"](WORKLOADS)


def test_tables_follow_from_the_rows(rows):
    made = {"summary.csv": analysis.summary(rows).to_csv(index=False).encode()}
    made |= table_files(analysis.tables(rows))
    for name, content in made.items():
        published = (ROOT / "docs" / "study" / name).read_bytes()
        if name.endswith(".csv"):  # processors differ in the last bit of a logarithm
            one, other = (pd.read_csv(io.BytesIO(text)) for text in (published, content))
            pd.testing.assert_frame_equal(one, other, rtol=1e-12, atol=1e-15, obj=name)
        else:
            assert published == content, name


@pytest.fixture(scope="module")
def verdicts(publish):
    """The declared verdict and the secondary ones, as they follow from the published rows."""
    return publish["verdicts"](WORKLOADS)


def test_the_verdict_follows_from_the_rows_and_is_told_as_it_is(verdicts):
    told = verdicts
    assert (ROOT / "docs" / "study" / "verdicts.txt").read_text() == told
    declared = told.split("\n\n")[1].splitlines()
    document = " ".join((ROOT / "docs" / "study.md").read_text().split())
    assert declared[0] in document
    assert declared[0] in " ".join((ROOT / "README.md").read_text().split())


def test_what_makes_the_comparison_invalid_by_later_rules_is_listed_and_overridden_by_name(rows, publish):
    document = (ROOT / "docs" / "study.md").read_text()
    assert "\n".join(publish["problem_lines"](rows)) in document
    listed = set(analysis.check(rows).itertuples(index=False))
    for candidate in sorted(set(rows["label"]) - {"adamw", "sgd"}):
        found = analysis.check(rows[rows["label"].isin([candidate, "adamw", "sgd"])])
        assert set(found.itertuples(index=False)) <= listed, candidate
        assert set(found["problem"]) <= set(publish["OVERRIDDEN"]), candidate
    told = (ROOT / "docs" / "study" / "verdicts.txt").read_text()
    assert "Overridden: decay-edge (char-lm/lstm, sgd)" in told
    assert "Invalid" not in told


def test_the_page_keeps_the_declared_decision_and_says_what_is_overridden(verdicts):
    page = (ROOT / "docs" / "study" / "report.html").read_text("utf-8")
    for line in verdicts.split("\n\n")[1].splitlines():
        assert str(escape(line)) in page


def test_what_is_called_diverged_is_what_became_non_finite(rows):
    parts = [part for folder in WORKLOADS for part in (folder / "rows").glob("*.parquet")]
    stored = pd.concat([pd.read_parquet(part, columns=["trial_id", "status"]) for part in parts])
    status = stored.set_index("trial_id")["status"].reindex(rows["trial_id"]).to_numpy()
    assert (int((status == "diverged").sum()), int((rows["status"] == "diverged").sum())) == (1615, 815)
    anew = rows[status != rows["status"]]
    assert len(anew) == 800
    assert (anew["final_over_initial"] > 1).all()


@pytest.mark.parametrize("folder", SEARCHES, ids=lambda folder: folder.name)
def test_a_searchs_tables_follow_from_its_rows_and_are_told_as_they_are(folder, publish):
    rows = load(folder)
    surfaces = dict(list(rows[rows["role"] != "confirm"].groupby("label")))
    fresh = dict(list(rows[rows["role"] == "confirm"].groupby("label")))
    table = {name: pd.read_csv(folder / "search" / f"{name}.csv") for name in TABLES}
    scorer = Scorer(
        pd.concat([surfaces["adamw"], surfaces["sgd"]]), load_spec(folder / "study.yaml").search.objectives
    )
    for name in ("points", "front", "references"):
        for told in table[name].to_dict("records"):
            assert scored(told, scorer.score(surfaces[told["label"]])), told["label"]
    selected = pd.concat([table["front"], table["references"]]).set_index("label")
    assert list(selected.index) == list(table["confirmed"]["label"])
    for told in table["confirmed"].to_dict("records"):
        cell = selected.loc[told["label"], ["best_lr", "best_weight_decay"]]
        assert scored(told, scorer.score(fresh[told["label"]], cell)), told["label"]
    document = (ROOT / "docs" / "study.md").read_text()
    assert "\n".join(publish["search_lines"](folder)) in document


def scored(told, score):
    return all(told[name] == pytest.approx(value, rel=1e-12, abs=1e-14) for name, value in score.items())


@pytest.mark.parametrize("folder", [*WORKLOADS, *SEARCHES], ids=lambda folder: folder.name)
def test_what_ran_is_what_is_declared(folder):
    declared = load_spec(f"main/{folder.name}")
    assert (folder / "study.yaml").read_text() == declared.to_yaml()
