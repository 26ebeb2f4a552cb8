"""The reader of index.txt: whole or not at all."""

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import Issued, Revoked
from hsmgate.pki.openssl_ca import index

JANUARY = 1_767_225_600.0  # 2026
GOOD = "V\t260101000000Z\t\t0A\tunknown\t/CN=a\n"


def test_every_line_is_a_certificate() -> None:
    text = (
        GOOD
        + "R\t20600101000000Z\t260101000000Z\tFF\tunknown\t/CN=b\n"
        "R\t260101000000Z\t251231235959Z,keyCompromise\t0100\tb.pem\t/CN=c\tä\n".replace("\tä", "ä")
        + "E\t260101000000Z\t\t02\tunknown\t/CN=d\n"
        "R\t260101000000Z\t260101000000Z,holdInstruction,1.2.840.10040.2.2\t03\tunknown\t/CN=e\n"
        "R\t260101000000Z\t260101000000Z,CAkeyTime,20250101000000Z\t04\tunknown\t/CN=f\n"
    )
    assert index(text.encode()) == {
        0x0A: Issued(not_after=JANUARY),
        0xFF: Issued(not_after=2_840_140_800.0, revoked=Revoked(at=JANUARY)),
        0x100: Issued(not_after=JANUARY, revoked=Revoked(at=JANUARY - 1, reason="keyCompromise")),
        0x02: Issued(not_after=JANUARY),
        0x03: Issued(not_after=JANUARY, revoked=Revoked(at=JANUARY, reason="certificateHold")),
        0x04: Issued(not_after=JANUARY, revoked=Revoked(at=JANUARY, reason="cACompromise")),
    }
    assert index(b"") == {}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (GOOD[:-1], "its last line has no end"),
        (GOOD + GOOD, "line 2: its serial number is there twice"),
        (GOOD + "V\t260101000000Z\t\t0B\n", "line 2: it has not the 6 fields"),
        ("X\t260101000000Z\t\t0B\tunknown\t/\n", "line 1: its status is not V, R or E"),
        ("V\t260101000000Z\t260101000000Z\t0B\tunknown\t/\n", "does not go with its revocation date"),
        ("R\t260101000000Z\t\t0B\tunknown\t/\n", "does not go with its revocation date"),
        ("V\t260101000000Z\t\t0x0B\tunknown\t/\n", "not hexadecimal"),
        ("V\t260101000000Z\t\t\tunknown\t/\n", "not hexadecimal"),
        ("V\t261301000000Z\t\t0B\tunknown\t/\n", "line 1: it has a date that is none"),
        ("V\t2601010000Z\t\t0B\tunknown\t/\n", "a date that is none"),
        ("V\t２60101000000Z\t\t0B\tunknown\t/\n", "a date that is none"),
        ("R\t260101000000Z\t260101000000Z,because\t0B\tunknown\t/\n", "reason for the revocation is not known"),
        ("\udcff\n", "not UTF-8"),
    ],
)
def test_a_broken_line_refuses_the_file(line: str, why: str) -> None:
    with pytest.raises(Failure, match=why) as caught:
        index(line.encode("utf-8", "surrogateescape"))
    assert caught.value.reason is Reason.STORE_UNREADABLE
