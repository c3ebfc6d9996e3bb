"""Figures, one a module: ``f(data, *, ..., ax=None) -> Axes``.

``theme`` is the look of all, ``styles`` that of each label, ``gallery`` draws whatever the trials allow.
"""
