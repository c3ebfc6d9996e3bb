"""Ray's token authentication: a sweep uses a token if the cluster that it joins does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from studies.spec.errors import SweepError

MODE = "RAY_AUTH_MODE"


def agree_on_token(address: str) -> None:
    """Set Ray's mode of authentication to the cluster's; to be called before Ray is imported.

    Ray starts a cluster with a token wherever it finds one, but joins without one unless told, and is then refused.
    The other way round is worse: a process that wants a token, in a cluster that sends none, loses every worker
    before it starts.

    Args:
        address: ``auto`` or ``host:port``, where something listens.

    Raises:
        SweepError: If the cluster wants a token and this machine has none or another one, or if the environment asks
            for a token that the cluster does not have.
    """
    asked = os.environ.get(MODE)
    without = _answer(address, "disabled")
    if without == "":
        if asked == "token":
            raise SweepError(
                f"the Ray cluster at {address} was started without token authentication, but {MODE} is token here: "
                f"start it with {MODE}=token, or unset that here"
            )
        os.environ[MODE] = "disabled"
    elif "AuthenticationError" in without:
        if asked not in (None, "token") or not _token_found():
            raise SweepError(
                f"the Ray cluster at {address} wants a token: copy ~/.ray/auth_token from it, or name a file that "
                f"holds it in RAY_AUTH_TOKEN_PATH, and leave {MODE} unset"
            )
        if "AuthenticationError" in _answer(address, "token"):
            raise SweepError(
                f"the Ray cluster at {address} has another token than this machine: copy ~/.ray/auth_token from it"
            )
        os.environ[MODE] = "token"


def _answer(address: str, mode: str) -> str:
    """Return what keeps a cluster from answering, or an empty text if it answers.

    Asked in a process of its own, since Ray reads its mode once per process.
    """
    where = [] if address == "auto" else ["--address", address]
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check", *where]
    done = subprocess.run(command, env={**os.environ, MODE: mode}, capture_output=True, text=True)
    return done.stderr or "no answer" if done.returncode else ""


def _token_found() -> bool:
    """Return whether there is a token where Ray looks for one."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(given) or (Path.home() / ".ray" / "auth_token").is_file()
