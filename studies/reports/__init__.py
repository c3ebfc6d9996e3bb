"""From folders to files: tables, figures, the page, the verdict that a study declared.

``report`` and ``figures`` are the ways in, ``suite`` reads the folders, ``page`` gathers what the page shows,
``search`` writes what a search found, ``verdict`` judges.
"""
