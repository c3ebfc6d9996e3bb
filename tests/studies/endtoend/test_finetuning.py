"""A study of fine-tuning: from the study file to a report by perplexity, and what its folder remembers."""

import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import studies
from robustness.tasks import PERPLEXITY
from studies.cli import app
from studies.planning.known_metric import KnownMetric

STUDY = """
name: tuned
task: {{name: finetune, model: {place}/llama, data: {place}/text.txt, block: 16{options}}}
budget: {{epochs: 1, batch_size: 8}}
seeds: 1
grid: {{lr: [0.003, 0.03], weight_decay: [0]}}
optimizers: {{adamw: {{}}, ada2ms: {{mixing: 0.5}}}}
{keys}
"""


def run(folder, language, options="", keys="", **given):
    (folder / "tuned.yaml").write_text(STUDY.format(place=language, options=options, keys=keys))
    return studies.run(str(folder / "tuned.yaml"), out=folder / "tuned", workers=0, **given)


def test_a_study_by_perplexity_which_another_metric_reads_without_training(language, tmp_path):
    outcome = run(tmp_path, language, engine="sequential")
    assert (outcome.failed, outcome.missing) == ([], 0)
    rows = outcome.rows
    assert set(rows["metric"]) == {"perplexity"}
    assert rows["test_metric"].tolist() == pytest.approx(np.exp(rows["test_loss"]).tolist(), rel=1e-12)
    assert (rows["val_metric"] < np.exp(rows["init_loss"])).all()
    assert set(rows["setup"]) == {"block=16"}
    summary = pd.read_csv(tmp_path / "tuned" / "summary.csv")
    assert set(summary["metric"]) == {"perplexity"}
    assert "Test perplexity" in (tmp_path / "tuned" / "tables" / "metrics.tex").read_text()
    by_loss = run(tmp_path, language, keys="metric: loss", engine="sequential").rows
    assert set(by_loss["metric"]) == {"loss"}
    assert set(by_loss["wall_seconds"]) == set(rows["wall_seconds"])  # nothing was trained again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (", lora: -1", "tuned.yaml: task: lora must be an integer from 0 on, but got -1"),
        (", rank: 1", "its options are: model, data, lora, block"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(language, tmp_path, options, message):
    (tmp_path / "tuned.yaml").write_text(STUDY.format(place=language, options=options, keys=""))
    shown = CliRunner().invoke(app, ["run", str(tmp_path / "tuned.yaml"), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 2
    assert message in " ".join(shown.output.split())
    assert not (tmp_path / "out").exists()


def test_readers_compute_perplexity_as_tasks_do():
    known = KnownMetric("perplexity", "", "min", 9.0, "exp(loss)", 1.0)
    assert known.derived
    losses = pd.Series([0.1, 2.5, 299.0, 1e4, math.inf, math.nan])
    expected = [PERPLEXITY.derived(loss, None) for loss in losses]
    np.testing.assert_array_equal(known.value(losses, None), expected)
