"""From folders to files: tables, figures, the HTML page, the verdict that a study declared.

``report`` and ``figures`` are what the command calls, ``suite`` opens the folders, ``page`` gathers what the page
shows, ``search`` writes what a search found, ``verdict`` judges.
"""
