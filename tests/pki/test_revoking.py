import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.pki import revoking
from hsmgate.pki.issued import HOLD, REASONS, Revoked

HELD, GONE = Revoked(at=5.0, reason=HOLD), Revoked(at=5.0, reason="keyCompromise")


@pytest.mark.parametrize("reason", REASONS)
def test_a_good_certificate_is_revoked_now_in_whole_seconds(reason: str) -> None:
    assert revoking.revoked(None, reason, 7.9) == Revoked(at=7.0, reason=reason)


def test_a_hold_that_becomes_a_revocation_counts_from_the_hold_on() -> None:
    assert revoking.revoked(HELD, "superseded", 9.0) == Revoked(at=5.0, reason="superseded")


def test_a_hold_is_released_and_nothing_else_is() -> None:
    revoking.released(HELD)
    for state, reason in ((None, Reason.INVALID_INPUT), (GONE, Reason.REVOKED)):
        with pytest.raises(Failure) as caught:
            revoking.released(state)
        assert caught.value.reason is reason


@pytest.mark.parametrize("reason", REASONS)
def test_a_revocation_is_final(reason: str) -> None:
    with pytest.raises(Failure, match="final") as caught:
        revoking.revoked(GONE, reason, 9.0)
    assert caught.value.reason is Reason.REVOKED


def test_a_hold_is_not_put_on_hold_again() -> None:
    with pytest.raises(Failure, match="on hold already"):
        revoking.revoked(HELD, HOLD, 9.0)


@pytest.mark.parametrize("reason", ["", "removeFromCRL", "KeyCompromise", "x" * 1000])
def test_an_unknown_reason_is_refused_by_name(reason: str) -> None:
    with pytest.raises(Failure, match="there are: unspecified, keyCompromise") as caught:
        revoking.revoked(None, reason, 9.0)
    assert len(str(caught.value)) < 300
