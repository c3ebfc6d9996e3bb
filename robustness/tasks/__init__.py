"""Tasks: data, model and loss. ``load`` makes one by name, or a user's own by ``package.module:function``."""

from robustness.tasks.registry import TASKS, load
from robustness.tasks.task import Split, Task

__all__ = ["TASKS", "Split", "Task", "load"]
