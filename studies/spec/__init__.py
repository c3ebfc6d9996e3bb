"""What a study file says, checked before anything runs.

``study`` is the whole (``StudySpec``); ``grid``, ``optimizers``, ``sections``, ``search``, ``verdict`` and
``growth`` hold its keys, ``values`` the kinds of value a key may hold, ``strict_yaml`` reads the file, ``problems``
says what is wrong with it in one line, ``errors`` with which exit code. ``protocols`` and ``presets`` are what can be
named instead of written out.
"""
