"""The four ways a request can fail; services map them to their own answers."""


class Refused(Exception):
    """A rule says no. `code` is stable and for programs, `detail` is a sentence for people.

    `path` is where in what was sent, if it can be said.
    """

    def __init__(self, code: str, detail: str, path: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.path = code, detail, path


class Conflict(Exception):
    """The stream moved on since it was read; load again and decide anew."""


class Unavailable(Exception):
    """Something we depend on does not answer now; waiting is the cure."""
