"""What the errors of database servers mean, told by their codes alone: their texts may hold values.

The codes are of PostgreSQL's appendix A (SQLSTATE), and of MariaDB's and MySQL's lists of errors.
"""

from hsmgate.errors import Failure, Reason

_STATES = {
    "08": "not answering",
    "28": "refusing the user or the password",
    "3D000": "not there: the server has none of this name",
    "25006": "read-only",
    "40": "locked by another process",
    "42501": "refusing this user something that is needed",
    "53": "out of room or of connections",
    "55P03": "locked by another process",
    "57": "not answering, for it ends or begins",
    "58": "failing to read or write its disk",
    "25P03": "not answering: it ended a transaction that did nothing",
}
_REFUSALS = {
    "FATAL:  password authentication failed": "28P01",
    "FATAL:  database ": "3D000",
    "FATAL:  sorry, too": "53300",
}
_DAMAGED_STATES = ("XX001", "XX002")
_CODES = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), "refusing this user something that is needed"),
    **dict.fromkeys((1045, 1130, 1251, 1524, 1698, 4151), "refusing the user or the password"),
    1049: "not there: the server has none of this name",
    **dict.fromkeys((1205, 1213, 1020, 1317, 1969, 3024), "locked by another process, or too slow"),
    **dict.fromkeys((1290, 1792, 1836), "read-only"),
    **dict.fromkeys((1021, 1041, 1037, 1038, 1114, 1040, 1203, 1226), "out of room or of connections"),
    **dict.fromkeys((1927, 1053, 1152, 1153, 1158, 1159, 1160, 1161, 4031), "not answering"),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2013, 2026, 2055), "not answering"),
}
_DAMAGED_CODES = frozenset({1034, 1035, 1194, 1195, 1712, 1877, 1932})
_NO_ROOM = frozenset({"22001", "22021", "1406", "1366"})
_OURS = ("IntegrityError", "ProgrammingError", "DataError", "NotSupportedError")


def told(error: object) -> Failure | None:
    """The Failure for an error of one of the two drivers, None for others. The drivers need not be there."""
    driver = type(error).__module__.partition(".")[0]
    if driver == "psycopg":
        state = str(getattr(error, "sqlstate", None) or "") or _refusal(str(error))
        return _failure(error, state, _by_state(state), state in _DAMAGED_STATES)
    if driver == "pymysql":
        first = next(iter(getattr(error, "args", ())), None)
        code = first if isinstance(first, int) else 0
        return _failure(error, str(code or ""), _CODES.get(code), code in _DAMAGED_CODES)
    return None


def _refusal(text: str) -> str:
    """Of a connection that could not be made the driver knows no code; what a server of English words says of it."""
    return next((state for words, state in _REFUSALS.items() if words in text), "")


def _by_state(state: str) -> str | None:
    return _STATES.get(state) or _STATES.get(state[:2])


def _failure(error: object, code: str, state: str | None, damaged: bool) -> Failure:
    if code in _NO_ROOM or (not code and type(error).__name__ == "DataError"):  # without a code: psycopg, of a NUL
        return Failure(Reason.INVALID_INPUT, "a text is longer than the database has room for, or holds a NUL")
    if damaged:
        return Failure(Reason.INTEGRITY, f"the database is damaged ({code}): restore it from a backup")
    if state is not None:
        return Failure(Reason.CONNECTIVITY, f"the database is {state}{f' ({code})' if code else ''}")
    if any(base.__name__ in _OURS for base in type(error).__mro__):
        return Failure(Reason.INTEGRITY, f"the database is not as this version made it ({code or 'not readable'})")
    return Failure(Reason.CONNECTIVITY, f"the database does not answer{f' ({code})' if code else ''}")
