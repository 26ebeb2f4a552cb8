"""The compact form of JSON: whitespace outside strings goes, nothing else changes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.domain.compact_json import compact


@pytest.mark.parametrize(
    ("text", "compacted"),
    [
        (b"{}", b"{}"),
        (b' { "a" : 1 ,\r\n\t"b" : [ 1 , 2 ] } ', b'{"a":1,"b":[1,2]}'),
        (b'{"b":1,"a":2}', b'{"b":1,"a":2}'),  # order stays
        (b'{"a": "x  y", "b": " \\" } "}', b'{"a":"x  y","b":" \\" } "}'),
        (b'{"a": "\\\\", "b": 1}', b'{"a":"\\\\","b":1}'),
        (b'{"a": "\\\\\\" , "}', b'{"a":"\\\\\\" , "}'),
        (b'{"a": "\\u0041\\/ \\n"}', b'{"a":"\\u0041\\/ \\n"}'),  # escapes stay
        (b'{"a": 1.0e+2, "b": -0}', b'{"a":1.0e+2,"b":-0}'),  # and numbers
        ('{"ä": "\u00a0 \u2003"}'.encode(), '{"ä":"\u00a0 \u2003"}'.encode()),  # these are no JSON whitespace
        (b'""', b'""'),
    ],
)
def test_whitespace_outside_strings_goes(text: bytes, compacted: bytes) -> None:
    assert compact(text) == compacted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_it_is_what_json_writes_compactly(value: object, indent: int | str | None, ascii_only: bool) -> None:
    spread = json.dumps(value, indent=indent, ensure_ascii=ascii_only, separators=(" , ", " : "))
    tight = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    assert compact(spread.encode()) == tight.encode()
    assert compact(tight.encode()) == tight.encode()
