"""The HTML page says where its numbers come from."""

import html

from studies import StudySpec, run
from studies.reports.report import report
from studies.store.provenance import package_versions


def test_the_page_names_trials_runs_versions_and_the_study_file(tmp_path):
    spec = StudySpec(
        name="paged",
        task="digits-mlp",
        budget={"epochs": 1, "batch_size": 64},
        seeds=2,
        grid={"lr": [0.01], "weight_decay": [0]},
        optimizers={"adamw": {}},
    )
    run(spec, out=tmp_path / "s", workers=0, engine="sequential")
    report(tmp_path / "s")
    text = html.unescape((tmp_path / "s/report.html").read_text())
    for said in (
        "paged",
        "2 of 2 planned",
        "grid: n = 2",
        "sequential, cpu",
        f"torch {package_versions()['torch']}",
    ):
        assert said in text, said
    assert "optimizers:" in text
