"""Optuna over surfaces: points are suggested, each is scored on its whole surface, and the best make a front.

``loop`` is a search from its references to its confirmation, ``points`` the Optuna study, ``surfaces`` trains,
``scoring`` scores, ``result`` is what comes out, ``record`` keeps two searches from mixing in one folder.
"""
