"""What a built-in function is."""

from collections.abc import Callable
from dataclasses import dataclass

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.values import UNDEFINED, Rank, Value, rank

MANY = 10_000


@dataclass(frozen=True, slots=True)
class Function:
    """`apply` gets the budget and the arguments, of which there are `fewest` to `most`."""

    apply: Callable[..., Value]
    fewest: int
    most: int


def typed(apply: Callable[..., Value], *kinds: Rank, optional: int = 0) -> Function:
    """A function of arguments of these types, the last ones optional; any other argument makes it undefined."""

    def checked(budget: Budget, *arguments: Value) -> Value:
        for argument, kind in zip(arguments, kinds, strict=False):
            if rank(argument) is not kind:
                return UNDEFINED
        return apply(budget, *arguments)

    return Function(checked, len(kinds) - optional, len(kinds))
