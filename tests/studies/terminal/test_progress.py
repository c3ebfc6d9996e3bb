import io

from rich.console import Console

from studies.terminal.progress import ProgressLine


def test_the_total_follows_what_is_expected_while_the_work_goes_on(monkeypatch):
    monkeypatch.setattr("studies.terminal.progress.PLAIN_EVERY_SECONDS", 0.0)
    shown = io.StringIO()
    with ProgressLine(Console(file=shown, width=120), total=10, stored=3) as line:
        line.update(["completed", "diverged"])
        line.expect(6)
        line.update(["completed"])
        line.expect(0)
        line.update([])
    lines = [text.split(" trials, ")[0] for text in shown.getvalue().splitlines()]
    assert lines == ["5/10", "6/11", "6/6"]
    assert shown.getvalue().splitlines()[-1].endswith("1 diverged, 0 failed, about 0 s left")
