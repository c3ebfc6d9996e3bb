"""One measure per module: trials in, a table out.

``selection`` chooses the cell that most of them refer to, ``reference_gap`` sets the scale of what is lost.
"""
