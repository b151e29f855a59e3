"""Checks the invariants of the broker on a live or stopped system and names the first violation."""

from sandbox.verify.command import main, verify_sandbox
from sandbox.verify.model import INVARIANTS, Sources, Terms, Verdict, Violation
from sandbox.verify.runner import verify

__all__ = ["INVARIANTS", "Sources", "Terms", "Verdict", "Violation", "main", "verify", "verify_sandbox"]
