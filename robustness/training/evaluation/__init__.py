"""Evaluation: the task's metric beside loss and accuracy, of one model or many, and its value of knowing nothing."""
