"""The HTML report: one file with its data, tables, figures and assets in it."""
