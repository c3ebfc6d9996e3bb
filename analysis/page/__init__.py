"""The HTML report: one file with its data, tables, figures and scripts in it.

``page`` puts it together from ``tables`` and ``figures``, and from ``trials`` and ``curves``, which the surface
explorer reads and ``packing`` compresses.
"""
