"""Splits: the examples of a task, held as tensors or read from a dataset batch by batch."""
