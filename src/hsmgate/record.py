"""The base of all data: frozen, typed, strict about unknown fields."""

from typing import ClassVar, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value: configuration, command, domain value or result. Unknown fields are refused."""


class Guarded(Record):
    """A record with secrets: they are fields like others, and never part of what is printed."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __rich_repr__(self) -> list[tuple[str, object]]:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, "***" if name in self.hidden and value else value) for name, value in fields]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class WireRecord(msgspec.Struct, frozen=True, rename="camel"):
    """A request or response body of the contract: camelCase outside, unknown request fields ignored."""
