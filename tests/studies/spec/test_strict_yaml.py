import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.spec import strict_yaml
from studies.spec.errors import SpecError
from studies.spec.strict_yaml import study_name
from studies.spec.study import StudySpec

STUDY = """
name: small
task: digits-mlp
budget: {epochs: 2, batch_size: 64}
grid:
  lr: [1e-3, 1.e-2]
  weight_decay: [0]
optimizers:
  adamw: &shared {eps: 1E-6}
  adam: {<<: *shared, beta2: .99}
"""


def refusal(text):
    """Return the message with which ``text`` is refused."""
    with pytest.raises(SpecError) as caught:
        StudySpec.from_text(text, "study.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_exponents_are_numbers_and_anchors_are_followed():
    spec = StudySpec.from_text(STUDY, "study.yaml")
    assert spec.grid.lr == (0.001, 0.01)
    assert spec.optimizers["adam"].model_extra == {"eps": 1e-6, "beta2": 0.99}


def test_the_written_file_says_the_same(tmp_path):
    spec = StudySpec.from_text(STUDY, "study.yaml")
    path = tmp_path / "resolved.yaml"
    path.write_text(spec.to_yaml(), encoding="utf-8")
    assert StudySpec.from_yaml(path) == spec
    assert "schedule: {name: constant, warmup: 0.0, floor: 0.0, until: 1.0}\n" in spec.to_yaml()


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.text() | st.floats(allow_nan=False) | st.integers() | st.none(), st.lists, max_leaves=5
    )
)
def test_what_is_written_is_read_back(value):
    assert strict_yaml.parse(strict_yaml.dump({"key": value})) == {"key": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "study.yaml: is empty"),
        ("# only a comment\n", "study.yaml: is empty"),
        ("- a\n- b\n", "study.yaml: must be a YAML mapping .* but is a list"),
        ("just text", "study.yaml: must be a YAML mapping .* but is a str"),
        ("1: 2", "study.yaml: 1: a key must be text"),
        ("name: [1, 2", "study.yaml: line 1, column 12: is no YAML: expected ',' or '\\]'"),
        ("name: a\n---\nname: b", "study.yaml: line 2, column 1: is no YAML: but found another document"),
        ("name: \x00", "study.yaml: is no YAML: special characters are not allowed"),
        ("name: 2020-13-45", "study.yaml: holds a value that is no YAML: ValueError: month must be in 1..12"),
        ("name: !!bool x", "study.yaml: holds a value that is no YAML: KeyError"),
        (
            "name: !!python/object:os.system x",
            "study.yaml: line 1, column 7: is no YAML: could not determine",
        ),
        ("seeds: " + 5000 * "9", "study.yaml: holds a value that is no YAML: ValueError"),
        (1000 * "[", "study.yaml: is nested too deeply"),
        ("grid: &g {lr: *g}", "study.yaml: grid.lr.lr: {.*: unknown key; allowed: decades, points"),
        (
            "name: a\nbudget: {epochs: 1,\n  epochs: 2}",
            "budget.epochs: given twice \\(lines 2 and 3\\); keep one",
        ),
        ("name: a\n'name': b", "study.yaml: name: given twice \\(lines 1 and 2\\)"),
        ("#" * 300_000, "study.yaml: must have at most 256 KiB"),
    ],
)
def test_what_is_no_study_file_is_refused_in_one_line(text, message):
    assert re.search(message, refusal(text))


@pytest.mark.parametrize("shape", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_of_aliases_take_no_time(shape):
    first = "x0: &x0 " + ("[1, 2]" if shape.startswith("[") else "{a: 1, b: 2}")
    lines = [f"x{i}: &x{i} " + shape.format(", ".join([f"*x{i - 1}"] * 9)) for i in range(1, 30)]
    assert refusal("\n".join([first, *lines])).startswith("study.yaml: x0: ")


def test_what_is_no_text_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "folder.yaml").mkdir()
    for name, rule in (
        ("binary", "must be text"),
        ("folder", "must be a YAML file"),
        ("none", "no such file"),
    ):
        path = tmp_path / f"{name}.yaml"
        with pytest.raises(SpecError, match=f"{name}.yaml: {rule}"):
            StudySpec.from_yaml(path)


def test_a_file_is_read_with_a_byte_order_mark_and_named_in_messages(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("\ufeff" + STUDY, encoding="utf-8")
    assert StudySpec.from_yaml(path).name == "small"
    path.write_text(STUDY.replace("small", "a b"), encoding="utf-8")
    with pytest.raises(SpecError, match=r"study.yaml: name: 'a b': must be letters"):
        StudySpec.from_yaml(path)


def test_a_studys_name_is_read_without_checking_it():
    assert study_name("name: a\nunheard: of") == "a"
    assert study_name("name: 3") is None


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.text("{}[]:,&*!|>-?'\" \n#%@<0123456789.eEabt", max_size=60))
def test_any_text_is_a_study_or_refused_in_one_line(text):
    try:
        message = str(StudySpec.from_text(text, "study.yaml").name)
    except SpecError as error:
        message = str(error)
    assert len(message.splitlines()) == 1


def test_yaml_itself_is_not_changed():
    assert yaml.safe_load("a: 1e-3\na: 2e-3") == {"a": "2e-3"}
