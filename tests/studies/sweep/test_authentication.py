"""Whether to bring a token: whatever the cluster answers, Ray's mode is set to it or the command says what to do."""

import os

import pytest

from studies.spec.errors import SweepError
from studies.sweep import authentication
from studies.sweep.authentication import MODE, agree_on_token

REFUSED = "AuthenticationError: no"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Let a cluster answer by the mode it is asked in; no token and no mode are set here."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (MODE, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return lambda **answers: monkeypatch.setattr(
        authentication, "_answer", lambda address, mode: answers[mode]
    )


def test_a_cluster_without_a_token_is_joined_without_even_if_there_is_one(cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    cluster(disabled="")
    agree_on_token("head:6379")
    assert os.environ[MODE] == "disabled"


@pytest.mark.parametrize("where", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "home"])
def test_a_cluster_with_a_token_is_joined_with_the_one_that_ray_finds(cluster, tmp_path, monkeypatch, where):
    if where == "home":
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("secret")
    else:
        monkeypatch.setenv(where, "secret")
    cluster(disabled=REFUSED, token="")
    agree_on_token("head:6379")
    assert os.environ[MODE] == "token"


@pytest.mark.parametrize(
    ("mode", "token", "answers", "message"),
    [
        (
            "token",
            "a",
            {"disabled": ""},
            "was started without token authentication, but RAY_AUTH_MODE is token",
        ),
        (None, None, {"disabled": REFUSED}, "wants a token: copy ~/.ray/auth_token from it"),
        ("disabled", "a", {"disabled": REFUSED}, "wants a token: .* leave RAY_AUTH_MODE unset"),
        (None, "a", {"disabled": REFUSED, "token": REFUSED}, "has another token than this machine"),
    ],
)
def test_where_they_cannot_agree_the_command_says_what_to_do(
    cluster, monkeypatch, mode, token, answers, message
):
    for name, value in ((MODE, mode), ("RAY_AUTH_TOKEN", token)):
        if value is not None:
            monkeypatch.setenv(name, value)
    cluster(**answers)
    with pytest.raises(SweepError, match=f"the Ray cluster at head:6379 {message}"):
        agree_on_token("head:6379")
    assert os.environ.get(MODE) == mode


def test_a_cluster_that_does_not_answer_at_all_is_left_to_ray(cluster):
    cluster(disabled="no answer")
    agree_on_token("auto")
    assert MODE not in os.environ
