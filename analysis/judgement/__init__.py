"""The verdict: does a candidate keep one optimizer's robustness and another one's generalization?

``endpoints`` computes what is compared, ``noninferiority`` tests one part, ``rule`` all of them, and ``seeds_needed``
says how many seeds would settle them. ``validity`` checks the rows: ``problems`` names what it finds, ``grids`` has
the rules for grids. ``judge`` puts all this together into a ``verdict``, which words it; ``study_verdicts`` holds the
verdicts of a study.
"""
