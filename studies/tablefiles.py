"""The tables of a report as files: CSV for all of them, LaTeX for those that fit on a page."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.latex import LAYOUTS, latex_table

FOLDER = "tables"


def table_files(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """Return the content of every file by its name in a study's folder.

    Args:
        tables: Output of ``analysis.tables``.
    """
    files = {f"{FOLDER}/{name}.csv": table.to_csv(index=False).encode() for name, table in tables.items()}
    for name, columns in LAYOUTS.items():
        files[f"{FOLDER}/{name}.tex"] = latex_table(tables[name], columns).encode()
    return files
