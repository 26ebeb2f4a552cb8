"""Generated certification paths with the verdict that RFC 5280 and the design give them."""

from functools import cache

from support.path_cases import constraints, criticality, names, shapes, times_and_keys
from support.path_cases.case import ACCEPT, REFUSE, Case

__all__ = ["ACCEPT", "REFUSE", "Case", "every"]


@cache
def every() -> tuple[Case, ...]:
    """All cases; each name once."""
    modules = (constraints, criticality, names, times_and_keys, shapes)
    return tuple(one for module in modules for one in module.cases())
