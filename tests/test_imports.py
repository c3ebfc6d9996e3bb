"""Who loads whom, in fresh interpreters: a notebook opens in a second, a GPU machine needs only torch."""

import subprocess
import sys

import pytest


def loaded_by(statement):
    """Return the top-level modules in a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    return set(out.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import analysis", {"torch", "ray", "optuna", "robustness", "studies"}),
        ("import analysis; analysis.summary", {"torch", "ray", "optuna", "robustness", "studies"}),
        (
            "import robustness, robustness.optimizers, robustness.tasks, robustness.training",
            {
                "ray",
                "optuna",
                "pandas",
                "seaborn",
                "matplotlib",
                "transformers",
                "peft",
                "analysis",
                "studies",
            },
        ),
        ("import studies", {"torch", "ray", "optuna", "pandas", "analysis", "robustness"}),
        ("import studies; studies.load", {"torch", "ray", "optuna", "robustness"}),
        ("import studies.suite_run", {"ray", "optuna", "sklearn", "seaborn", "matplotlib"}),
        (
            "import studies.sweep.local.preload, gc; assert gc.isenabled()",
            {"optuna", "sklearn", "seaborn", "matplotlib"},
        ),
        ("import studies.cli", {"torch", "ray", "optuna", "pandas", "pyarrow", "pydantic"}),
    ],
)
def test_an_import_loads_nothing_it_must_not(statement, unwanted):
    assert loaded_by(statement).isdisjoint(unwanted)


@pytest.mark.parametrize(
    ("package", "before", "names", "after"),
    [
        (
            "studies",
            "import studies.study_run, studies.reports.report",
            "figures, report, run, search",
            "import studies.study_search, studies.reports.figures",
        ),
        (
            "analysis",
            "import analysis.judgement.verdict, analysis.metrics.distortion",
            "distortion, escape_table, forest, summary, tables, verdict",
            "import analysis.summaries.tables, analysis.summaries.summary, analysis.figures.forest",
        ),
    ],
)
def test_a_public_name_is_the_function_whoever_imported_modules_of_that_name(package, before, names, after):
    taken = f"from {package} import {names}"
    check = f"import {package} as p; print([callable(getattr(p, n)) for n in {names.split(', ')!r}])"
    command = [sys.executable, "-W", "error", "-c", f"{before}; {taken}; {after}; {check}"]
    shown = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True).stdout
    assert shown.strip() == str([True] * (names.count(",") + 1))
