"""Figures of a real study as files, in one folder and in several."""

import re

import pytest
from typer.testing import CliRunner

import studies
from studies.cli import app
from studies.reports.figures import figures
from studies.spec.errors import InputError

STUDY = """
name: {name}
task: "{task}"
budget: {{epochs: 1, batch_size: 64}}
seeds: 2
grid: {{lr: [0.003, 0.01, 0.03], weight_decay: [0], grad_scale: [1, 10]}}
optimizers: {{adamw: {{}}, sgd: {{}}, ada2ms: {{mixing: [0, 1]}}}}
verdict: {{candidate: ada2ms(mixing=1)}}
"""
TASKS = "from robustness.tasks import load\ndef second():\n    return load('digits-mlp')\n"
STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    (place / "figuretasks.py").write_text(TASKS)
    for name, task in (("one", "digits-mlp"), ("two", "figuretasks:second")):
        (place / f"{name}.yaml").write_text(STUDY.format(name=name, task=task))
        studies.run(str(place / f"{name}.yaml"), out=place / name, workers=0)
    return place


def test_all_that_the_rows_allow_is_drawn_and_the_rest_explained(folders, tmp_path):
    made = figures(folders / "one", formats=["png"], out=tmp_path)
    names = {name.removeprefix("figures/").removesuffix(".png") for name in made.files}
    assert names == {
        "lr-weight-decay", "lr-gradient-scale", "lr-error", "lr-error-aligned", "lr-loss", "lr-loss-aligned",
        "best-lr", "best-of-k", "error-sensitivity", "ablation-ada2ms", "forest",
    }  # fmt: skip
    assert set(made.left_out) == {"plane", "distortion", "profile"}
    assert all((tmp_path / name).read_bytes().startswith(STARTS["png"]) for name in made.files)


def test_formats_have_their_fonts_in_them(folders, tmp_path):
    made = figures(folders / "one", only=["forest"], formats=["pdf", "svg"], out=tmp_path)
    pdf, svg = ((tmp_path / name).read_bytes() for name in made.files)
    assert pdf.startswith(STARTS["pdf"])
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert svg.startswith(STARTS["svg"])
    assert b"<text" not in svg
    assert (
        re.search(rb"https?://(?!www\.w3\.org|purl\.org|creativecommons\.org|matplotlib\.org)", svg) is None
    )


def test_several_folders_are_several_workloads(folders, tmp_path):
    made = figures(
        folders / "one", folders / "two", only=["profile", "best-of-k"], formats=["png"], out=tmp_path
    )
    assert made.files == [
        "figures/digits-mlp/best-of-k.png", "figures/figuretasks-second/best-of-k.png", "figures/profile.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["forrest"]}, r"--only: must be one of .*\(did you mean 'forest'\?\), but got 'forrest'"),
        ({"formats": ["jpg"]}, r"--format: must be one of png, pdf, svg.*, but got 'jpg'"),
    ],
)
def test_what_is_not_known_is_refused(folders, options, message):
    with pytest.raises(InputError, match=message):
        figures(folders / "one", **options)


def test_the_command_says_what_it_drew_and_what_not(folders, tmp_path):
    arguments = [
        "figures",
        str(folders / "one"),
        "--only",
        "forest,plane",
        "--format",
        "svg",
        "--out",
        str(tmp_path),
    ]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    assert "figures/forest.svg" in said.output
    assert "no plane: no optimizer is varied in both exponents p and q" in said.output
    assert CliRunner().invoke(app, ["figures", str(folders / "one"), "--only", "x"]).exit_code == 2
