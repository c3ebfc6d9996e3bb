"""The errors that a user can mend: the command shows them as one line, without a traceback."""


class InputError(ValueError):
    """What the user gave is wrong; the message names what, where, and what is allowed. Exit code 2."""


class SpecError(InputError):
    """A study is not valid; the message is one line."""


class StoreError(InputError):
    """A folder cannot be used as a study's store."""


class SweepError(RuntimeError):
    """The sweep could not go on; what was finished is stored. Exit code 1."""
