"""YAML and environment to one frozen Config."""

from hsmgate.config.credentials import keys_by_role, remarks
from hsmgate.config.load import load
from hsmgate.config.migration import Survey, stays_behind, survey
from hsmgate.config.settings import (
    ApiAuthentication,
    Audit,
    Config,
    Datasource,
    Health,
    Hsm,
    Hsmgate,
    Jwt,
    Limits,
    Ocsp,
    Pkcs11,
    Responder,
    Server,
    Software,
    Source,
    Ssl,
    Trust,
)
from hsmgate.config.transport import Transport, transport

__all__ = [
    "ApiAuthentication",
    "Audit",
    "Config",
    "Datasource",
    "Health",
    "Hsm",
    "Hsmgate",
    "Jwt",
    "Limits",
    "Ocsp",
    "Pkcs11",
    "Responder",
    "Server",
    "Software",
    "Source",
    "Ssl",
    "Survey",
    "Transport",
    "Trust",
    "keys_by_role",
    "load",
    "remarks",
    "stays_behind",
    "survey",
    "transport",
]
