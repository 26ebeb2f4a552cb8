"""What is said of revocation for each kind of entry."""

import pytest

from hsmgate.cli.revocation_notes import note, urls_to_try
from hsmgate.config import Ocsp
from support import certs
from support.ocsp_answers import aia

URL = "http://127.0.0.1:1/"


def _pin(*urls: str) -> bytes:
    return certs.client("pin", None, *([aia(*urls)] if urls else [])).der


@pytest.mark.parametrize(
    ("is_pin", "settings", "expected"),
    [
        (True, Ocsp(), "not-checked: names no responder"),
        (True, Ocsp(check="off"), "not-checked: hsmgate.ocsp.check is off"),
        (True, Ocsp(check="require"), "refused: names no responder, and one is required"),
        (True, Ocsp(responder=URL), URL),
        (False, Ocsp(), "as each client certificate says"),
        (False, Ocsp(responder=URL), URL),
    ],
)
def test_entries_without_a_responder(is_pin: bool, settings: Ocsp, expected: str) -> None:
    assert note(_pin(), is_pin=is_pin, settings=settings) == expected


def test_which_responders_are_tried() -> None:
    assert urls_to_try([_pin()], Ocsp()) == []
    assert urls_to_try([_pin()], Ocsp(responder=URL)) == [URL]
    assert urls_to_try([_pin()], Ocsp(responder=URL, check="off")) == []
    assert urls_to_try([_pin(URL), _pin(URL, "http://127.0.0.1:2/")], Ocsp()) == [URL, "http://127.0.0.1:2/"]


def test_a_pin_that_names_its_responder() -> None:
    assert note(_pin(URL), is_pin=True, settings=Ocsp()) == URL
