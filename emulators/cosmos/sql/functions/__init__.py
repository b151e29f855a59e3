"""The built-in functions: https://learn.microsoft.com/azure/cosmos-db/nosql/query/system-functions.

A function gets values and gives a value. An argument of another type than it takes makes the result undefined.
"""

from emulators.cosmos.sql.functions import arrays, dates, mathematics, strings, types
from emulators.cosmos.sql.functions.function import Function

FUNCTIONS: dict[str, Function] = {
    **arrays.FUNCTIONS,
    **dates.FUNCTIONS,
    **mathematics.FUNCTIONS,
    **strings.FUNCTIONS,
    **types.FUNCTIONS,
}
