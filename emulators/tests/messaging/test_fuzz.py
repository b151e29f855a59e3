"""A few of the hostile clients of `python -m emulators.tests.messaging.fuzz`, on every run."""

from emulators.tests.messaging.fuzz import run_cases


async def test_hostile_clients_harm_nobody_but_themselves() -> None:
    await run_cases(seed=20261122, first=0, count=3000)
