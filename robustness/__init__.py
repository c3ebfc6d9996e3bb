"""What is trained, and how: optimizers, tasks and the training of one trial."""

__version__ = "0.2.0"
