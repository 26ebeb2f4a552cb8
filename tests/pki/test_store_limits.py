"""The bounds that docs/reference/truststores.md promises are those of the code."""

import re
from pathlib import Path

import pytest

from hsmgate.pki import store_limits

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs/reference/truststores.md").read_text("utf-8")
MIB, KIB = 1024 * 1024, 1024


@pytest.mark.parametrize(
    ("row", "number"),
    [
        ("file", f"{store_limits.FILE_BYTES // MIB} MiB"),
        ("entries", f"{store_limits.ENTRIES:,}"),
        ("one certificate", f"{store_limits.CERTIFICATE_BYTES // KIB} KiB"),
        ("one alias", f"{store_limits.ALIAS_CHARACTERS} characters"),
        ("key-derivation rounds of one PKCS12 file, MAC and all parts together", f"{store_limits.KDF_ROUNDS:,}, "),
        ("files of a folder", f"{store_limits.FOLDER_FILES:,}"),
        ("all files of a folder", f"{store_limits.FOLDER_BYTES // MIB} MiB"),
    ],
)
def test_the_documented_bound_is_the_bound(row: str, number: str) -> None:
    (value,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", DOCS, re.MULTILINE)
    assert f"{value} ".replace(" |", "").startswith(number)
