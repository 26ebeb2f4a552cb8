"""usecases/find.py: what a key name may be."""

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.usecases.find import LONGEST_LABEL, check_new_label, check_text


@pytest.mark.parametrize("label", ["a", "x" * LONGEST_LABEL, "ä b", "🔑", "<&>", "..", "a\u00a0b", "%2F"])
def test_names_that_may_be(label: str) -> None:
    check_new_label(label)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "x" * (LONGEST_LABEL + 1),
        "a/b",
        "/",
        "a\0",
        "\x1b[0m",
        "\x7f",
        "\x85",
        "a\r",
        "a\n",
        "\u2028",
        "\ud800",
        "\uffff",
    ],
)
def test_names_that_may_not_be(label: str) -> None:
    with pytest.raises(Failure) as caught:
        check_new_label(label)
    assert caught.value.reason is Reason.INVALID_KEY_NAME


def test_a_slash_is_only_refused_in_new_names() -> None:
    check_text("master/44'/0'", "A key name", Reason.INVALID_KEY_NAME)
