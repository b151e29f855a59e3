"""What one query may cost before it is refused: two JOINs over a document of 2 MB could occupy the server for hours."""

from emulators.cosmos.limits import MAX_STEPS, MAX_TEXT_CHARACTERS


class QueryTooCostlyError(Exception):
    """The query would take more time or memory than one request is given."""


class Budget:
    """Steps that are left for one document; a step is one row of a JOIN, one element of an array, or the like."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._steps = self._left = steps

    def renew(self) -> None:
        """For the next document."""
        self._left = self._steps

    def spend(self, steps: int = 1) -> None:
        """Raises QueryTooCostlyError when nothing is left."""
        self._left -= steps
        if self._left < 0:
            raise QueryTooCostlyError("The query exceeds the work that one item may cause.")

    def check_text(self, characters: int) -> None:
        """Before a text of this length is made: it costs steps too. Raises QueryTooCostlyError."""
        if characters > MAX_TEXT_CHARACTERS:
            raise QueryTooCostlyError("The query makes a string that is longer than any item.")
        self.spend(1 + characters // 256)
