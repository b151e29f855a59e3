"""How many files and connections a process may have open."""

import resource


def allow_open_files(wanted: int) -> None:
    """Raise the soft limit, often 1,024, to `wanted` or to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    target = wanted if unlimited else min(wanted, hard)
    if soft not in (resource.RLIM_INFINITY, target) and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
