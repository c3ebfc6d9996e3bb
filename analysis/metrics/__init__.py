"""One measure a module: trials in, a table out. ``selection`` chooses the cell that all of them refer to."""
