"""What the command shows: its help, plans, reports, searches, a line of progress, small maps of growing surfaces.

``options`` holds the command's arguments with their help, ``study`` and ``search`` print what came of a study and of
a search, ``progress`` is the line that moves, ``watch`` with its ``minimaps`` the live view, ``text`` how lines,
numbers and tables look.
"""
