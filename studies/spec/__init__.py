"""What a study file says, checked before anything runs.

``study`` is the whole (``StudySpec``); ``task``, ``grid``, ``optimizers``, ``sections``, ``search``, ``verdict`` and
``growth`` hold its keys, ``values`` the kinds of value that a key may have, ``objectives`` what a search may be for.
``strict_yaml`` reads the file, ``problems`` puts what is wrong with it into one line, ``errors`` are what is raised.
``protocols`` and ``presets`` hold what can be named instead of written out.
"""
