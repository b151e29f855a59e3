"""The small broker of `tests.verify.world` behind the shipped readers; every test gets its own copy."""

from dataclasses import dataclass

import psycopg

from sandbox.verify import Sources, Terms, verify
from shared.adapters.postgres.database import Database
from tests.verify.world import RATE_CARDS, World


@dataclass(frozen=True)
class BusyBroker:
    """One database with its world."""

    dsn: str
    database: Database
    world: World

    def execute(self, statement: str) -> None:
        """Change something behind the broker's back."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statement)

    def violations(self) -> list[str]:
        """What `verify` finds; the world leaves outboxes unsent."""
        found = verify(Sources(self.dsn), Terms(RATE_CARDS, settle_s=3600)).violations
        return [str(violation) for violation in found if violation.check != "outboxes are empty"]
