"""Packs on workers: in this process or by Ray Tune, and what becomes of lost ones.

``admission`` is the check before anything is trained, ``sweep`` the way in; ``runner`` trains a pack, ``tune`` and
``turns`` hand packs to Ray's workers and take back what dead ones left, ``first_trials`` stops where all of them fail
for one reason, ``supervision`` stops a worker at its limits, ``cluster`` and ``authentication`` start or join Ray,
``checkpoints`` keep long trials, ``replay`` trains one stored trial again, ``estimate`` says what a plan costs.
"""
