"""How an update is made fast without changing its numbers: gathered, tile by tile, or compiled.

``updates`` runs a rule on a step's parameters, ``vectors`` gathers small ones, ``compiling`` wraps ``torch.compile``.
"""
