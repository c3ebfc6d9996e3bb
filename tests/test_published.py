"""What is published of the main studies follows from the rows that are published with it, to the last digit."""

import runpy
from pathlib import Path

import pytest

import analysis
from studies.catalog import load_spec
from studies.tablefiles import table_files

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "studies" / "published"
WORKLOADS = sorted(
    folder.parent for folder in PUBLISHED.glob("*/study.yaml") if not folder.parent.name.startswith("search-")
)


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
        assert (ROOT / "docs" / "study" / name).read_bytes() == content, name


def test_the_verdict_follows_from_the_rows_and_is_told_as_it_is(publish):
    told = publish["verdicts"](WORKLOADS)
    assert (ROOT / "docs" / "study" / "verdicts.txt").read_text() == told
    declared = told.split("\n\n")[1].splitlines()
    document = " ".join((ROOT / "docs" / "study.md").read_text().split())
    assert declared[0] in document
    assert declared[0] in " ".join((ROOT / "README.md").read_text().split())


def test_nothing_makes_the_comparison_invalid(rows):
    for candidate in sorted(set(rows["label"]) - {"adamw", "sgd"}):
        compared = rows[rows["label"].isin([candidate, "adamw", "sgd"])]
        assert analysis.check(compared).empty, candidate


@pytest.mark.parametrize("folder", WORKLOADS, ids=lambda folder: folder.name)
def test_what_ran_is_what_is_declared(folder):
    declared = load_spec(f"main/{folder.name}")
    assert (folder / "study.yaml").read_text() == declared.to_yaml()
