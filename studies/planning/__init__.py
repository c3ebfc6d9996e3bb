"""From a study to stages, trials and packs, and where they are to run. Nothing is trained here, and nothing stored.

``trials`` expands a grid and gives every trial its id, ``known_task`` is what an id takes from the task, ``stages``
says which trials follow from the rows of others, ``extension`` which learning rates lie beyond an edge,
``search_trials`` which trials a searched point takes, ``plan`` cuts trials into packs, ``changes`` compares a study
with the one whose rows are stored, ``workers`` checks where packs run.
"""
