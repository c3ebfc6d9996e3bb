from pathlib import Path

import pytest

from robustness.tasks import DATASETS, load
from studies.planning.trials import expand
from studies.spec.errors import SpecError
from studies.spec.presets import load_spec, presets
from studies.spec.study import StudySpec

NAMES = sorted(presets())
COUNTS = {"quickstart": 1458, "lr-wd": 1080, "gradient-scale": 1134, "mixing": 567, "smoke": 18}
COUNTS |= {"vision": 240, "vision-fashion": 240, "vision-jpeg": 24, "vision-resnet18": 240, "text": 180}
COUNTS |= {"flatness": 240, "escape": 2688, "papers/ada2ms": 882, "papers/adamomentum": 525}
COUNTS |= {"papers/dualadam": 420, "papers/smes": 147, "papers/adamnx": 280}
COUNTS |= {"ablation/mixing": 702, "ablation/scope": 648, "ablation/mixing-schedule": 594}
COUNTS |= {"ablation/eps": 1377, "ablation/beta2": 756}
COUNTS |= {"main/digits-mlp": 6750, "main/digits-cnn": 4050, "main/char-lm": 2430, "main/char-lstm": 2430}
COUNTS |= {"main/cifar10-jpeg-mlp": 2430, "main/cifar10-jpeg-resnet8": 2430}
COUNTS |= {f"main/search-{name}": 243 for name in ("digits-mlp", "digits-cnn", "cifar10-jpeg-mlp")}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_it_is_and_expands(name):
    spec = load_spec(name)
    needs_files = spec.task.name.partition("/")[0] in DATASETS
    trials = expand(spec, load("digits-mlp") if needs_files else load(spec.task.name, **spec.task.options))
    assert spec.name == name.replace("papers/", "paper-").replace("/", "-")
    assert len(presets()[name]) > 20
    assert len(trials) == spec.count() == COUNTS.get(name, len(trials))
    assert StudySpec.from_text(spec.to_yaml(), name) == spec


def test_every_preset_that_is_promised_is_there():
    assert set(COUNTS) <= set(NAMES)
    assert all(not description.startswith("#") for description in presets().values())


def test_a_preset_goes_before_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("smoke").mkdir()
    assert load_spec("smoke").count() == 18
    with pytest.raises(SpecError, match="smoke: must be a YAML file"):
        load_spec(Path("smoke"))


def test_a_study_is_a_presets_name_or_a_file(tmp_path):
    path = tmp_path / "copy.yml"
    path.write_text(load_spec("smoke").to_yaml())
    assert load_spec(str(path)) == load_spec(path) == load_spec("smoke")
    with pytest.raises(SpecError, match=r"'quickstrat': must be .* \(did you mean 'quickstart'\?\)"):
        load_spec("quickstrat")
    with pytest.raises(SpecError, match=r"nowhere.yaml: no such file"):
        load_spec("nowhere.yaml")
    with pytest.raises(SpecError, match="must be a YAML file"):
        load_spec("x" * 5000)
