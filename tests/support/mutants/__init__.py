"""The numbered trust decisions, each knocked out of the code in turn."""

from support.mutants import paths, roles
from support.mutants.mutant import Mutation

__all__ = ["EVERY", "Mutation"]

EVERY = (*roles.PINS, *roles.ROLES, *roles.LEGACY, *paths.VALIDITY, *paths.PATHS, *paths.SERVICE)
