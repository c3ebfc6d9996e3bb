"""The errors that a user can put right: the command shows each in one line, without a traceback."""


class InputError(ValueError):
    """Something that the user gave is wrong; the message says what, where, and what is allowed. Exit code 2."""


class SpecError(InputError):
    """A study is not valid; the message is one line."""


class StoreError(InputError):
    """A folder cannot be used as this study's store; the message names the folder. Exit code 2."""


class SweepError(RuntimeError):
    """The sweep could not go on; the trials that were finished are stored. Exit code 1."""
