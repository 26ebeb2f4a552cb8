import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from hsmgate.adapters.sealing_key import (
    Passphrase,
    SealingKey,
    configured_sealing_key,
    make_sealing_key_file,
    open_sealing_key,
    read_sealing_key,
)
from hsmgate.errors import Failure, Reason
from support.keystore_contract import raises

KEY = bytes(range(100, 132))


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        KEY.hex().encode(),
        KEY.hex().upper().encode() + b"\n",
        b" " + KEY.hex().encode() + b"\r\n",
        base64.b64encode(KEY),
        base64.b64encode(KEY) + b"\n",
    ],
    ids=["octets", "hex", "upper", "spaces", "base64", "base64-line"],
)
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_is_read_in_three_forms(tmp_path: Path, content: bytes, mode: int) -> None:
    path = written(tmp_path / "sealing.key", content, mode)
    assert read_sealing_key(path).octets == KEY
    assert open_sealing_key("file:sealing.key", tmp_path) == SealingKey(octets=KEY)
    assert open_sealing_key(f"file:{path}", Path("/nowhere")) == SealingKey(octets=KEY)
    assert open_sealing_key(f"file://{path}", Path("/nowhere")) == SealingKey(octets=KEY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        KEY[:31],
        KEY + b"\n",
        KEY.hex().encode()[:-1],
        KEY.hex().encode()[:-1] + b"g",
        KEY.hex().encode() * 2,
        base64.b64encode(KEY[:31]),
        base64.b64encode(KEY)[:-1],
        bytes(32),
        b"00" * 32,
        b"x" * 2048,
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "sealing.key", content)
    with raises(Reason.CONFIG_INVALID) as caught:
        read_sealing_key(path)
    told(caught.value, content)


def told(failure: Failure, content: bytes = b"") -> None:
    """One line that names the setting, and nothing of the content."""
    assert str(failure).startswith("hsm.software.key: ")
    assert "\n" not in str(failure)
    for secret in (content.strip().decode("latin-1"), KEY.hex()):
        assert not secret or secret not in str(failure)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "taken"),
    [(0o440, 0, 0, True), (0o440, 0, 5, False), (0o440, os.geteuid() or 7, 0, False), (0o444, 0, 0, False)],
)
def test_a_credential_of_systemd_is_taken(tmp_path: Path, mode: int, uid: int, gid: int, taken: bool) -> None:
    """Root's, mode 0440: its ACL lets in one user, whom the mode shows as the group."""
    if os.geteuid() != 0:
        pytest.skip("only root can make such a file")
    path = written(tmp_path / "key", KEY, mode)
    os.chown(path, uid, gid)
    if taken:
        assert read_sealing_key(path).octets == KEY
    else:
        with raises(Reason.CONFIG_INVALID):
            read_sealing_key(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "sealing.key", KEY, mode)
    with pytest.raises(Failure, match="chmod 600") as caught:
        read_sealing_key(path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    told(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "sealing.key", KEY)
    os.chown(path, 12345, 12345)
    with pytest.raises(Failure, match="belongs to another user"):
        read_sealing_key(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "loop").symlink_to("loop")
    for name in ("", "absent", "pipe", "loop"):
        with raises(Reason.CONFIG_INVALID) as caught:
            read_sealing_key(tmp_path / name)
        told(caught.value)


def test_a_link_to_a_key_is_followed(tmp_path: Path) -> None:
    written(tmp_path / "real", KEY)
    (tmp_path / "link").symlink_to("real")  # Kubernetes gives its secrets so
    assert read_sealing_key(tmp_path / "link").octets == KEY


def test_other_texts_are_passphrases(tmp_path: Path) -> None:
    assert open_sealing_key("correct horse", tmp_path) == Passphrase(text="correct horse")
    assert open_sealing_key(KEY.hex()[:-1], tmp_path) == Passphrase(text=KEY.hex()[:-1])


@pytest.mark.parametrize("text", [KEY.hex(), f" {KEY.hex().upper()}\n", base64.b64encode(KEY).decode()])
def test_a_key_may_be_given_as_text(tmp_path: Path, text: str) -> None:
    assert open_sealing_key(text, tmp_path) == SealingKey(octets=KEY)
    with pytest.raises(Failure, match="random"):
        open_sealing_key("00" * 32, tmp_path)


def test_the_same_file_gives_the_same_key_whichever_way_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "sealing.key", f"{KEY.hex()}\n".encode())
    text = path.read_text().rstrip("\n")  # what ${file:...} gives
    assert configured_sealing_key(None, path, tmp_path) == SealingKey(octets=KEY)
    assert configured_sealing_key(text, path, tmp_path) == SealingKey(octets=KEY)
    assert configured_sealing_key(text, None, tmp_path) == SealingKey(octets=KEY)
    phrase = written(tmp_path / "phrase", b"correct horse battery")
    assert configured_sealing_key("correct horse battery", phrase, tmp_path) == Passphrase(text="correct horse battery")


def test_a_text_from_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    phrase = written(tmp_path / "phrase", b"correct horse battery", 0o644)
    with pytest.raises(Failure, match="chmod 600"):
        configured_sealing_key("correct horse battery", phrase, tmp_path)
    with pytest.raises(Failure, match="missing"):
        configured_sealing_key(None, None, tmp_path)


@pytest.mark.parametrize("text", ["", "short", "x" * 11])
def test_short_passphrases_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failure, match="at least 12") as caught:
        open_sealing_key(text, tmp_path)
    told(caught.value, text.encode())


@pytest.mark.parametrize("text", ["/etc/app/sealing.key", "./sealing.key.of.mine", "../sealing.key", "~/sealing.key"])
def test_a_path_is_not_taken_for_a_passphrase(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failure, match="file:PATH") as caught:
        open_sealing_key(text, tmp_path)
    told(caught.value, text.encode())


def test_secrets_do_not_show_themselves() -> None:
    assert KEY.hex() not in repr(SealingKey(octets=KEY))
    assert repr(KEY) not in repr(SealingKey(octets=KEY))
    assert "horse" not in f"{Passphrase(text='correct horse')}"


def test_a_key_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "data" / "sealing.key"
    old = os.umask(0o777)
    try:
        assert make_sealing_key_file(path)
    finally:
        os.umask(old)
    made = read_sealing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not make_sealing_key_file(path)
    assert read_sealing_key(path) == made
    assert make_sealing_key_file(tmp_path / "other.key")
    assert read_sealing_key(tmp_path / "other.key") != made


def test_makers_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "sealing.key", list[bool]()
    threads = [threading.Thread(target=lambda: outcomes.append(make_sealing_key_file(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    assert read_sealing_key(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sealing.key"]


def test_a_dangling_link_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "sealing.key").symlink_to("elsewhere")
    assert not make_sealing_key_file(tmp_path / "sealing.key")
    assert not (tmp_path / "elsewhere").exists()
    with raises(Reason.CONFIG_INVALID):
        read_sealing_key(tmp_path / "sealing.key")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises(Reason.STORE_UNREADABLE):
        make_sealing_key_file(tmp_path / "file" / "sealing.key")
