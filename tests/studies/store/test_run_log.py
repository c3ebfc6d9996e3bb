"""The log of a run: in the study's folder, and never the reason why a run ends."""

import logging

from studies.store.layout import RUN_LOG
from studies.store.run_log import log_file
from studies.store.store import Store

logger = logging.getLogger("studies")


def test_lines_go_to_the_folder_while_a_run_lasts_and_runs_follow_each_other(tmp_path):
    for number in (1, 2):
        with log_file(Store(tmp_path)):
            logger.info("run %d", number)
        logger.warning("after it")
    lines = (tmp_path / RUN_LOG).read_text().splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == ["run 1", "run 2"]
    assert not any(isinstance(handler, logging.FileHandler) for handler in logger.handlers)


def test_a_full_disk_loses_a_line_and_says_nothing(tmp_path, monkeypatch, capsys):
    with log_file(Store(tmp_path)):
        handler = logger.handlers[-1]

        def full():
            raise OSError(28, "full")

        monkeypatch.setattr(handler, "flush", full)
        logger.info("lost")
    assert capsys.readouterr().err == ""


def test_a_study_in_a_bucket_logs_beside_other_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with log_file(Store("mock://bucket/s")):
        logger.info("here")
    assert (tmp_path / RUN_LOG).read_text().endswith("here\n")
