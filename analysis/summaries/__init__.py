"""Tables of several measures, slices of the sensitivity surface, and the columns that LaTeX and the page show.

``summary`` and ``tables`` compute all tables of a report, ``columns`` and ``latex`` set them; ``surface`` and
``panels`` compute what heatmaps draw, ``lr_curve`` what curves over the learning rate draw.
"""
