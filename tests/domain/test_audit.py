import hashlib
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from support.trails import first, line, trail, why_broken

STEPS: list[tuple[audit.Phase, str]] = [
    ("event", ""),
    ("intent", "r1"),
    ("intent", "r2"),
    ("outcome", "r1"),
    ("event", "r3"),
]


def test_a_line_is_one_json_object_whose_hash_covers_everything_before_it() -> None:
    raw, seal = audit.write(line(7, "ab" * 32, "intent", "r1", detail={"hash": "x", "n": 1}))
    assert list(json.loads(raw)) == [
        "seq", "time", "phase", "action", "requestId", "peer", "result", "detail", "prev", "hash",
    ]  # fmt: skip
    body, tail = raw[:-76], raw[-76:]
    assert seal == hashlib.sha256(body).hexdigest()
    assert tail == f',"hash":"{seal}"}}\n'.encode()
    assert body.endswith(b',"prev":"' + b"ab" * 32 + b'"')
    assert audit.read(raw).hash == seal


def test_a_whole_trail_holds() -> None:
    lines = trail(STEPS)
    chain = audit.Chain()
    for raw in lines:
        chain.add(raw)
    assert (chain.first, chain.seq, chain.lines, chain.trail) == (1, 6, 6, "t-1")
    assert chain.head == json.loads(lines[-1])["hash"]
    assert chain.unanswered == 1


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_one_changed_byte_at_any_position_is_found(flip: int) -> None:
    whole = b"".join(trail(STEPS[:3]))
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= flip
        assert why_broken(bytes(changed).splitlines(keepends=True)), at


def test_a_byte_put_in_or_taken_out_anywhere_is_found() -> None:
    whole = b"".join(trail(STEPS[:2]))
    for at in range(len(whole)):
        for changed in (whole[:at] + whole[at + 1 :], whole[:at] + b" " + whole[at:]):
            assert why_broken(changed.splitlines(keepends=True)), at


def test_a_line_deleted_anywhere_but_at_the_end_is_found() -> None:
    lines = trail(STEPS)
    for at in range(len(lines) - 1):
        assert why_broken(lines[:at] + lines[at + 1 :]), at


def test_a_line_repeated_anywhere_is_found() -> None:
    lines = trail(STEPS)
    for source in range(len(lines)):
        for target in range(len(lines) + 1):
            assert why_broken([*lines[:target], lines[source], *lines[target:]]), (source, target)


def test_two_lines_exchanged_are_found() -> None:
    lines = trail(STEPS)
    for one in range(len(lines)):
        for other in range(one):
            changed = list(lines)
            changed[one], changed[other] = changed[other], changed[one]
            assert why_broken(changed), (one, other)


def test_a_foreign_line_with_a_sound_hash_is_found_anywhere_but_at_the_end() -> None:
    lines = trail(STEPS)
    for at in range(1, len(lines)):
        forged, _ = audit.write(line(at + 1, json.loads(lines[at - 1])["hash"], action="forged"))
        assert "prev" in why_broken([*lines[:at], forged, *lines[at + 1 :]]) or at == len(lines) - 1
        assert "seq" in why_broken([*lines[:at], forged, *lines[at:]])


def test_the_wanted_head_is_met_at_its_line() -> None:
    lines = trail(STEPS)
    for at, raw in enumerate(lines, 1):
        chain = audit.Chain(json.loads(raw)["hash"])
        for each in lines:
            chain.add(each)
        assert chain.wanted_seq == at


def test_a_trail_may_begin_in_a_later_file_but_not_in_the_middle_of_one() -> None:
    later, seal = audit.write(first(seq=40, prev="cd" * 32))
    following, _ = audit.write(line(41, seal, "outcome", "r9"))
    assert why_broken([later, following]) == ""  # its intent may stand in the earlier file
    assert "begins with" in why_broken([following])


@pytest.mark.parametrize(("seq", "prev"), [(1, "cd" * 32), (2, audit.ZERO)])
def test_a_beginning_has_seq_1_and_a_prev_of_zeros(seq: int, prev: str) -> None:
    raw, _ = audit.write(msgspec.structs.replace(first(), seq=seq, prev=prev))
    assert "seq 1" in why_broken([raw])


def test_another_format_is_refused() -> None:
    raw, _ = audit.write(line(1, audit.ZERO, action=audit.BEGAN, detail={"trail": "t", "format": 2, "version": "9"}))
    assert "format" in why_broken([raw])


@pytest.mark.parametrize(
    ("steps", "finding"),
    [
        ([("intent", "a"), ("outcome", "a")], ""),
        ([("event", "a")], ""),
        ([("outcome", "a")], "without an intent"),
        ([("intent", "a"), ("outcome", "b")], "without an intent"),
        ([("intent", "a"), ("outcome", "a"), ("outcome", "a")], "without an intent"),
        ([("intent", "a"), ("intent", "a"), ("outcome", "a"), ("outcome", "a")], ""),  # a client may repeat its id
    ],
)
def test_every_outcome_has_its_intent(steps: list[tuple[audit.Phase, str]], finding: str) -> None:
    said = why_broken(trail(steps))
    assert finding in said
    assert bool(finding) == bool(said)


def test_a_line_with_a_sound_hash_but_of_another_shape_is_refused() -> None:
    for body in (b'{"seq":1', b"\xff", b"[]", b'{"seq":"1"', b""):
        raw = body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
        with pytest.raises(Failure) as caught:
            audit.read(raw)
        assert caught.value.reason is Reason.INTEGRITY


def test_a_line_beyond_the_bound_is_refused_unread() -> None:
    with pytest.raises(Failure, match="longer than"):
        audit.read(b"{" * audit.MAX_LINE + b"\n")


texts = st.one_of(
    st.text(st.characters(), max_size=40),  # control characters and lone surrogates too
    st.integers(1, 200_000).map(lambda size: "é\U0001f600"[size % 2] * size),
)
scalars = st.one_of(texts, st.booleans(), st.none(), st.integers(), st.integers(1, 400).map(lambda power: -(7**power)))


@settings(deadline=None)
@given(action=texts, request_id=texts, peer=texts, result=texts, detail=st.dictionaries(texts, scalars, max_size=60))
def test_any_content_makes_one_bounded_printable_line_that_reads_back(
    action: str, request_id: str, peer: str, result: str, detail: dict[str, audit.Scalar]
) -> None:
    written = msgspec.structs.replace(
        first(), phase="event", action=action, request_id=request_id, peer=peer, result=result, detail=detail
    )
    raw, seal = audit.write(written)
    assert len(raw) <= audit.MAX_LINE
    assert all(0x20 <= byte <= 0x7E for byte in raw[:-1])
    assert raw.endswith(b"\n")
    back = audit.read(raw)
    assert back.hash == seal
    other = json.loads(raw)
    assert other["detail"] == back.detail
    encodable = action.encode("utf-8", "backslashreplace").decode()
    if len(action) <= audit.MAX_FIELD:
        assert back.action == other["action"] == encodable
    else:
        assert back.action.startswith(action[: audit.MAX_FIELD].encode("utf-8", "backslashreplace").decode())


def test_a_long_value_is_cut_and_says_by_how_much() -> None:
    raw, _ = audit.write(line(1, audit.ZERO, detail={"key": "k" * 5000}))
    assert audit.read(raw).detail["key"] == "k" * 1024 + "...(+3976)"


def test_a_detail_beyond_the_line_is_replaced_by_its_digest() -> None:
    detail: dict[str, audit.Scalar] = {f"name{number}": "v" * 1000 for number in range(100)}
    raw, _ = audit.write(line(1, audit.ZERO, detail=detail))
    whole = json.dumps(detail, separators=(",", ":")).encode()
    assert audit.read(raw).detail == {"cutBytes": len(whole), "cutSha256": hashlib.sha256(whole).hexdigest()}


def test_integers_that_other_readers_would_round_become_text() -> None:
    raw, _ = audit.write(line(1, audit.ZERO, detail={"a": 2**53, "b": 2**53 + 1, "c": -(2**64), "d": True}))
    assert audit.read(raw).detail == {"a": 2**53, "b": "9007199254740993", "c": "-18446744073709551616", "d": True}


def test_a_phase_that_readers_would_refuse_is_not_written() -> None:
    with pytest.raises(ValueError, match="other"):
        audit.write(msgspec.structs.replace(first(), phase="other"))
