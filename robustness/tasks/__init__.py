"""Tasks: data, model and loss. ``load`` makes one by name, or a user's own by ``package.module:function``."""

from robustness.tasks.base import BaseTask
from robustness.tasks.metric import BITS_PER_CHARACTER, ERROR, LOSS, PERPLEXITY, Metric
from robustness.tasks.registry import DATASETS, PLACES, TASKS, catalogue, load, load_function, name_rule
from robustness.tasks.splits.dataset_split import DatasetSplit
from robustness.tasks.splits.tensors import Split
from robustness.tasks.task import Task
from robustness.tasks.training_function import TrainingFunction

__all__ = [
    "BITS_PER_CHARACTER",
    "DATASETS",
    "ERROR",
    "LOSS",
    "PERPLEXITY",
    "PLACES",
    "TASKS",
    "BaseTask",
    "DatasetSplit",
    "Metric",
    "Split",
    "Task",
    "TrainingFunction",
    "catalogue",
    "load",
    "load_function",
    "name_rule",
]
