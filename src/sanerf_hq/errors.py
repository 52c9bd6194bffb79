"""The one error that is the user's to mend."""


class InputError(ValueError):
    """Something given to the program is missing, broken or does not fit.

    The message is one sentence that names the file or option and says what to do; the command line prints
    it alone and exits with code 2.
    """


class NothingHit(InputError):
    """A prompt is on nothing: on empty space, or where nothing is labelled."""


class Cancelled(Exception):
    """The caller's progress callback asked a long call to stop; what was saved before it stays valid."""
