"""Figures, one per module: ``f(data, *, ..., ax=None) -> Axes``.

``theme`` has the look of all figures, ``styles`` that of each label, of axes and of legends; ``search`` holds the
figures of a search, and ``gallery`` draws every figure that the trials allow.
"""
