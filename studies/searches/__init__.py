"""Optuna over surfaces: points asked and told, scored on whole surfaces, put on a front.

``loop`` is a search from its references to its confirmation, ``points`` the Optuna study, ``surfaces`` trains,
``scoring`` scores, ``result`` is what comes out, ``record`` keeps two searches from mixing in one folder.
"""
