"""Rows that go to an experiment tracker too."""

from importlib.util import find_spec

import pytest

import studies
from studies.spec.errors import InputError
from studies.store.trackers import sending

STUDY = """
name: logged
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: [0.01, 0.1], weight_decay: [0], grad_scale: [1]}
optimizers: {sgd: {momentum: 0.9}}
"""


def test_an_unknown_tracker_and_one_that_is_not_installed_are_named():
    with (
        pytest.raises(InputError, match="--log: tensorbord: must be one of tensorboard, mlflow, wandb"),
        sending("tensorbord", "s", "out"),
    ):
        pass
    for kind in ("mlflow", "wandb"):
        if find_spec(kind) is None:
            with (
                pytest.raises(InputError, match=f"--log: {kind}: is not installed: pip install {kind}"),
                sending(kind, "s", "out"),
            ):
                pass


def test_nothing_is_trained_for_a_tracker_that_is_not_there(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    with pytest.raises(InputError, match="--log: nowhere"):
        studies.run(str(tmp_path / "s.yaml"), out=tmp_path / "out", workers=0, log="nowhere")
    assert not (tmp_path / "out").exists()


def test_tensorboard_has_every_trial_with_its_hyperparameters(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (tmp_path / "s.yaml").write_text(STUDY)
    done = studies.run(str(tmp_path / "s.yaml"), out=tmp_path / "out", workers=0, log="tensorboard")
    assert {path.name for path in (tmp_path / "out/tensorboard").iterdir()} == set(done.rows["trial_id"])
    for row in done.rows.to_dict("records"):
        read = EventAccumulator(f"{tmp_path}/out/tensorboard/{row['trial_id']}").Reload()
        assert read.Scalars("val_accuracy")[0].value == pytest.approx(row["val_accuracy"])
        content = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        start = HParamsPluginData.FromString(content).session_start_info
        assert start.hparams["lr"].number_value == row["lr"]
        assert start.hparams["optimizer"].string_value == "sgd"
