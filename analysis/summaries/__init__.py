"""Tables of several measures, slices of the surface, and how columns are set in LaTeX and on the page."""
