"""The exchange's fixtures serve the feed's tests too."""

from tests.exchange.conftest import database, make_database, venue_template

__all__ = ["database", "make_database", "venue_template"]
