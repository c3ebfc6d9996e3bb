"""Packs: many trials of one task trained at once, as the rows of one matrix.

``flat`` computes with the matrix, ``columns`` holds the trials' numbers, ``update`` and ``evaluating`` do what their
names say, ``block`` trains the trials of one signature, ``trainer`` those of any.
"""
