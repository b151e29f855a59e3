"""What goes wrong for the people who use the sandbox."""


class SandboxError(Exception):
    """One sentence that says what is wrong and what to do about it; the command line prints it and exits with 1."""


REMEDY_FOR_DAMAGE = "Restore a backup with `make restore BACKUP=FILE FORCE=1`, or start afresh with `make clean`."


class RefusedError(SandboxError):
    """The API answered with an HTTP status that is no success."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
