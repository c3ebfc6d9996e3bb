"""Rows that are never lost: a study's folder, its names, its guarantees.

What is covered: a file is there whole or not at all, also after a power cut (``files``); a row that was handed to
``Store.append`` is there for good, its curve with it; a damaged part is noticed by its digest, set aside and trained
again (``part``, ``table``); one driver at a time writes to a folder (``lock``). What is not: a disk that loses what
it acknowledged, and anyone who edits Parquet parts by hand and recomputes their digests.

``layout`` has every name in the folder, ``schema`` every column, ``rows`` makes a trial's row, ``store`` reads and
appends, ``study_folder`` opens a folder as the study that it holds, ``resume`` tells what need not run.
"""
