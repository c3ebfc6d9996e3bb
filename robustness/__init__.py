"""What is trained, and how: optimizers, tasks, and the training of trials, alone or as packs."""

__version__ = "0.2.0"
