"""What is swept, and where it runs: studies, their trials, their store, and the command ``robustness``.

A module is loaded when one of its names is first used, so that reading a study needs neither torch nor ray.
``__init__.pyi`` lists the public names and where each is defined.

Examples:
    >>> import studies
    >>> spec = studies.load_spec("smoke")
    >>> spec.task.name
    'digits-mlp'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
