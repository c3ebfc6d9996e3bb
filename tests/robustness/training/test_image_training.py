"""Training on images, by both engines: augmentation, decay masks, clipping, smoothing and precision are the same."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import hyperparameters
from robustness.tasks import Split, Task
from robustness.tasks.images import Augmentation, Standardize
from robustness.training import PackTrainer, Schedule, Training, TrialSettings, train
from robustness.training.feed import Feed
from robustness.training.randomness import initialized_model
from robustness.training.steps import decayed

GENERATOR = torch.Generator().manual_seed(0)
PIXELS = torch.randint(256, (40, 2, 8, 8), dtype=torch.uint8, generator=GENERATOR)


def network():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(-3), nn.Linear(144, 3))


def images(*names, model=network):
    parts = [Split(PIXELS.roll(shift, 0), torch.arange(40).roll(shift) % 3) for shift in range(3)]
    return Task("images", *parts, model, prepare=Standardize.of(PIXELS), augment=Augmentation.named(names))


def pack(name="ada2ms", count=4, **training):
    own = {**hyperparameters(name), "lr": 3e-3, "weight_decay": 0.05}
    return [
        TrialSettings(
            name,
            {**own, "lr": 3e-3 * (1 + row)},
            grad_scale=[1.0, 8.0][row % 2],
            seed=row // 2,
            epochs=3,
            batch_size=8,
            schedule=Schedule("cosine"),
            training=Training(**training),
        )
        for row in range(count)
    ]


def losses(result):
    return [point.loss for point in result.curves]


def assert_engines_agree(task, trials, tolerance=1e-9):
    together = PackTrainer(task, dtype=torch.float64).train(trials)
    for settings, result in zip(trials, together, strict=True):
        alone = train(task, settings, dtype=torch.float64)
        assert losses(result) == pytest.approx(losses(alone), rel=tolerance)


@pytest.mark.parametrize("names", [(), ("crop",), ("flip",), ("cutout",), ("crop", "flip", "cutout")])
def test_both_engines_train_on_the_same_changed_images(names):
    assert_engines_agree(images(*names), pack())


@pytest.mark.parametrize("name", ["ada2ms", "sgd", "adamw", "sgdw", "adam", "adamomentum"])
def test_both_engines_confine_decay_to_the_same_matrices(name):
    trials = pack(name, decay="matrices")
    assert_engines_agree(images(), trials)
    everywhere = [replace(settings, training=Training()) for settings in trials]
    assert losses(train(images(), trials[0])) != losses(train(images(), everywhere[0]))


@pytest.mark.parametrize("training", [{"clip_norm": 0.3}, {"label_smoothing": 0.2}, {"evaluate_every": 2}])
def test_both_engines_clip_smooth_and_evaluate_alike(training):
    assert_engines_agree(images("flip"), pack("adamw", **training))


def test_company_does_not_change_what_a_seed_sees():
    task = images("crop", "flip", "cutout")
    both, alone = Feed(task, [0, 5], 8), Feed(task, [5], 8)
    for _ in range(2):
        for (inputs, targets), (own, own_targets) in zip(both.epoch(), alone.epoch(), strict=True):
            assert torch.equal(inputs[1], own)
            assert torch.equal(targets[1], own_targets)


def test_every_epoch_and_seed_has_changes_of_its_own():
    task = replace(images("cutout"), train=Split(PIXELS[:1], torch.zeros(1, dtype=torch.int64)))
    seen = [next(feed.epoch())[0] for seed in (0, 1) for feed in [Feed(task, [seed], 1)] for _ in range(3)]
    assert len({tuple(batch.flatten().tolist()) for batch in seen}) > 3


def test_augmentation_moves_mirrors_and_covers_as_drawn():
    image = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8)
    fill = torch.full((1, 1, 1), 99.6)
    draws = torch.tensor([[2, 0, 1, 7, 0]])  # shifts count from the corner of the padded image; padding is 1
    shifted = Augmentation(crop=True)(image, draws, fill)[0, 0]
    assert torch.equal(shifted[:7, 1:], image[0, 0, 1:, :7])
    assert shifted[7].tolist() == shifted[:, 0].tolist() == [0] * 8
    assert torch.equal(Augmentation(flip=True)(image, draws, fill), image.flip(-1))
    assert torch.equal(Augmentation(crop=True, flip=True)(image, draws, fill)[0, 0], shifted.flip(-1))
    covered = Augmentation(cutout=True)(image, draws, fill)[0, 0]
    assert (covered[5:, :2] == 100).all()
    assert (covered != image[0, 0]).sum() == 6
    assert torch.equal(Augmentation(flip=True)(image, torch.tensor([[0, 0, 0, 0, 0]]), fill), image)


def test_one_kind_of_change_is_the_same_with_or_without_another():
    draws = Augmentation(crop=True).draw((1000,), torch.Size((3, 32, 32)), torch.Generator().manual_seed(1))
    again = Augmentation(flip=True).draw((1000,), torch.Size((3, 32, 32)), torch.Generator().manual_seed(1))
    assert torch.equal(draws, again)
    assert draws.amin(0).tolist() == [0, 0, 0, 0, 0]
    assert draws.amax(0).tolist() == [8, 8, 1, 31, 31]


def test_matrices_are_weights_of_layers_and_nothing_else():
    from torchvision.models import VisionTransformer

    models = (
        network(),
        nn.LSTM(3, 4),
        nn.Sequential(nn.Embedding(5, 3), nn.LayerNorm(3)),
        VisionTransformer(8, 4, 1, 2, 8, 16, num_classes=3),
    )
    found = [{name for name, p in model.named_parameters() if id(p) in decayed(model)} for model in models]
    assert found[:3] == [{"0.weight", "4.weight"}, {"weight_ih_l0", "weight_hh_l0"}, set()]
    block = "encoder.layers.encoder_layer_0"
    attention = {f"{block}.self_attention.in_proj_weight", f"{block}.self_attention.out_proj.weight"}
    assert found[3] == attention | {
        "conv_proj.weight",
        f"{block}.mlp.0.weight",
        f"{block}.mlp.3.weight",
        "heads.head.weight",
    }


def line():
    """Fit y = 2x by least squares: the update can be followed by hand."""
    inputs = torch.tensor([[1.0]])
    split = Split(inputs, 2 * inputs)
    return Task(
        "line", split, split, split, lambda: nn.Linear(1, 1), loss=nn.functional.mse_loss, correct=None
    )


@pytest.mark.parametrize("engine", ["fused", "sequential"])
def test_clipping_sees_the_scaled_gradient_and_not_the_decay(engine):
    task = line()
    start = initialized_model(task, 0)
    weight, bias = start.weight.item(), start.bias.item()
    training = Training(clip_norm=1.0, decay="matrices")
    settings = TrialSettings(
        "sgd",
        {**hyperparameters("sgd"), "lr": 0.1, "weight_decay": 0.5, "momentum": 0.0},
        grad_scale=64.0,
        epochs=1,
        batch_size=1,
        training=training,
    )
    slope = 64 * 2 * (weight + bias - 2)  # of weight and bias alike
    clipped = slope / (math.sqrt(2) * abs(slope) + 1e-6)
    assert math.sqrt(2) * abs(slope) / 64 > 1  # so that clipping before scaling would end elsewhere
    after = weight - 0.1 * (clipped + 0.5 * weight) + bias - 0.1 * clipped
    if engine == "fused":
        (result,) = PackTrainer(task, dtype=torch.float64).train([settings])
    else:
        result = train(task, settings, dtype=torch.float64)
    assert result.metrics["train_loss"] == pytest.approx((after - 2) ** 2, rel=1e-9)


def test_a_power_of_two_as_gradient_scale_changes_nothing_for_adamw_under_mixed_precision():
    one = pack("adamw", 1, precision="bf16")[0]
    one = replace(one, hyperparameters={**one.hyperparameters, "eps": 0.0})
    scaled = replace(one, grad_scale=1024.0)
    assert losses(train(images(), one)) == losses(train(images(), scaled))


def test_mixed_precision_computes_in_bfloat16_and_keeps_parameters():
    seen = []

    class Looking(nn.Linear):
        def forward(self, inputs):
            outputs = super().forward(inputs)
            seen.append((self.weight.dtype, outputs.dtype))
            return outputs

    def model():
        return nn.Sequential(nn.Flatten(-3), Looking(128, 3))

    settings = pack("adamw", 1, precision="bf16")[0]
    alone = train(images(model=model), settings)
    assert set(seen) == {(torch.float32, torch.bfloat16)}
    (together,) = PackTrainer(images(model=model)).train([settings])
    assert losses(together) == pytest.approx(losses(alone), rel=0.02)
    assert losses(alone) != losses(train(images(model=model), replace(settings, training=Training())))


def test_labels_are_smoothed_in_training_alone():
    still = pack("sgd", 1, label_smoothing=0.3)[0]
    still = replace(still, hyperparameters={**still.hyperparameters, "lr": 0.0})
    assert (
        train(images(), still).metrics["val_loss"]
        == train(images(), replace(still, training=Training())).metrics["val_loss"]
    )
    with pytest.raises(ValueError, match="label_smoothing: the loss of line takes no label_smoothing"):
        train(line(), still)


def test_evaluations_are_every_few_epochs_and_at_the_end():
    settings = replace(pack(count=1, evaluate_every=3)[0], epochs=7)
    for result in (train(images(), settings), *PackTrainer(images()).train([settings])):
        assert [point.epoch for point in result.curves if point.split == "val"] == [0, 3, 6, 7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decay": "some"}, "decay must be one of all, matrices, but got 'some'"),
        ({"clip_norm": 0.0}, "clip_norm must be positive and finite, but got 0.0"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), but got 1.0"),
        ({"precision": "fp8"}, "precision must be one of float32, bf16, but got 'fp8'"),
        ({"evaluate_every": 0}, "evaluate_every must be at least 1, but got 0"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(values, message):
    with pytest.raises(ValueError, match=message):
        Training(**values)
