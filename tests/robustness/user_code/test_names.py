"""A user's own objects by name: imported, provided, or refused in a line."""

import re

import pytest

from robustness.user_code import names
from robustness.user_code.names import importable, provide, resolve


def test_an_object_is_imported_from_a_folder(tmp_path):
    (tmp_path / "lions.py").write_text("class Lion: ...")
    with importable(tmp_path):
        assert resolve("lions:Lion").__name__ == "Lion"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Lion", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("fractions:Fracton", "cannot be imported: fractions has no 'Fracton'; did you mean 'Fraction'?"),
        ("fractions:zzz", "cannot be imported: fractions has no 'zzz'"),
    ],
)
def test_what_is_not_there_is_named(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        resolve(name)


def test_what_another_process_sends_needs_no_file(monkeypatch):
    monkeypatch.setattr(names, "_provided", {})
    thing = object()
    provide({"nowhere:thing": thing})
    assert resolve("nowhere:thing") is thing
