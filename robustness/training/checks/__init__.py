"""Checks before training: whether a task can be trained at all, and whether its models may be trained as a pack."""
