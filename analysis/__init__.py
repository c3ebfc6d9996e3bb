"""What the rows of a study say: tables, statistics and figures.

Functions take a DataFrame with one row per training run and return a DataFrame or a figure. Nothing here
needs a deep-learning library, and a module is loaded when one of its names is first used: matplotlib with the first
figure. ``__init__.pyi`` lists the public names and where each is defined.

A task is judged by its error, or by the metric that its rows name (`task_metrics`). What is called an error is then
that metric, brought to "smaller is better" (`errors`). Where a task is not judged by error, tables made of rows show
the metric's own values instead, in the columns ``val_metric`` and ``test_metric``, beside ``metric``, ``unit`` and
``direction``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
