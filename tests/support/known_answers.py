"""Known answers of others: files of the package cryptography-vectors, each of which names its source in its head."""

import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors

ROOT = Path(cryptography_vectors.__file__).parent
_LINE = re.compile(r"^([A-Za-z0-9_]+)\s*=\s*(.*)$")

Answer = dict[str, str]


def answers(name: str) -> list[Answer]:
    """The blocks of a file in NIST's form, by upper-case names; settings and sections in [brackets] belong to what
    follows them.
    """
    return list(_answers((ROOT / name).read_text()))


def _answers(text: str) -> Iterator[Answer]:
    heads: Answer = {}
    block: Answer = {}
    for line in [*text.splitlines(), ""]:
        head = re.fullmatch(r"\[(\w+)(?:\s*=\s*(\w+))?\]", line.strip())
        if head:
            heads[head[1].upper()] = head[2] or "yes"
            if head[1].upper() in {"ENCRYPT", "DECRYPT"}:
                heads["DIRECTION"] = head[1].upper()
        elif found := _LINE.match(line.strip()):
            block[found[1].upper()] = found[2].strip()
        elif line.strip() == "FAIL":
            block["FAIL"] = "yes"
        elif not line.strip() and block:
            yield heads | block
            block = {}


def camellia_ecb(bits: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(key, plaintext, ciphertext) of NTT's own file."""
    secret = plain = b""
    for line in (ROOT / f"ciphers/Camellia/camellia-{bits}-ecb.txt").read_text().splitlines():
        kind, _, digits = line.partition(":")
        if kind.startswith("K No"):
            secret = bytes.fromhex(digits)
        elif kind.startswith("P No"):
            plain = bytes.fromhex(digits)
        elif kind.startswith("C No"):
            yield secret, plain, bytes.fromhex(digits)
