from pathlib import Path

from hsmgate.adapters.software import CAPABILITIES
from hsmgate.domain.algorithm import KEY_ALGORITHMS
from hsmgate.domain.cipher import CIPHERS
from hsmgate.domain.curve import CURVES
from hsmgate.domain.matrix import page
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "algorithms.md"
SOFTWARE = CAPABILITIES.names


def test_the_page_is_what_the_tables_say(tmp_path: Path) -> None:
    wanted = page({"software": SOFTWARE})
    made = tmp_path / "algorithms.md"
    made.write_text(wanted)
    assert PAGE.read_text() == wanted, f"the tables have changed: cp {made} {PAGE}"


def test_every_row_of_the_tables_has_its_line() -> None:
    lines = PAGE.read_text().splitlines()
    for name in (row.name for table in (KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, CIPHERS) for row in table):
        assert any(line.startswith(f"| `{name}` |") for line in lines), name
    for row in CURVES:
        assert any(line.startswith(f"| {row.name} | {row.oid}") for line in lines), row.name


def test_a_second_backend_is_a_second_column() -> None:
    lines = page({"software": SOFTWARE, "pkcs11": SOFTWARE - {"EDDSA"}}).splitlines()
    assert "| signatureAlgorithm | Key | Payload | Scheme | software | pkcs11 |" in lines
    assert "| `EDDSA` | ED | message | Ed25519 (pure) | yes | no |" in lines
    assert (
        "| `KYBER` | KYBER | - | - | it encapsulates keys and does not sign | it encapsulates keys and does not sign |"
        in lines
    )
