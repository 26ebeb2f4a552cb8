"""Chromium shows the pages with its own TLS and the client's certificate, and nothing but them is loaded."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.api.routes import ROUTES
from support.browser import Tab, chromium, nss_home, tab
from support.service import Quick, Service

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
# the block of one operation; the page puts zero-width spaces into paths
BLOCK = """
[...document.querySelectorAll('.opblock')].find(block =>
  block.querySelector('.opblock-summary-path')?.innerText.replace(/\\u200b/g, '') === '{path}' &&
  block.querySelector('.opblock-summary-method').innerText === '{method}')
""".strip()


@pytest.fixture
def served(quick_used: Quick) -> Iterator[Service]:
    with quick_used.serve() as service:
        yield service


def policy(service: Service) -> dict[str, object]:
    return {"AutoSelectCertificateForUrls": [f'{{"pattern":"https://localhost:{service.port}","filter":{{}}}}']}


def fingerprint(quick: Quick) -> str:
    certificate = x509.load_pem_x509_certificate((quick.folder / "client.crt").read_bytes())
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def test_the_pages_work_in_chromium_with_its_own_tls(quick_used: Quick, served: Service, tmp_path: Path) -> None:
    password = (quick_used.folder / "client.p12.password").read_text().strip()
    nss_home(tmp_path / "home", quick_used.folder / "ca.crt", quick_used.folder / "client.p12", password)
    with chromium(tmp_path / "etc", tmp_path / "home", policy(served)) as address:
        asyncio.run(_visit(address, served.port))
    calls = {line["action"] for line in quick_used.trail() if line["peer"] == fingerprint(quick_used)}
    assert {"GET /v1/generateRandom/{length}", "POST /v1/key"} <= calls  # from Chromium, by its certificate


async def _visit(address: str, port: int) -> None:
    async with tab(address) as page:
        assert await page.open(f"https://localhost:{port}/") == ""
        await page.until(f"document.querySelectorAll('.opblock').length === {len(ROUTES)}")
        await _execute(page, "GET", "/v1/generateRandom/{length}", "200", '"random"')
        await _execute(page, "POST", "/v1/key", "201", '"xmlSignature"')
        assert page.messages == []  # neither a violation of the policy nor an error
        assert page.failures == []
        assert {url.split("/", 3)[2] for url in page.requests if not url.startswith("data:")} == {f"localhost:{port}"}
        assert await page.value("document.title") == "hsmgate API"


async def _execute(page: Tab, method: str, path: str, status: str, told: str) -> None:
    """Open an operation, try it out with the example that is there, and look at the answer."""
    block = BLOCK.replace("{path}", path).replace("{method}", method)
    await page.value(f"{block}.querySelector('.opblock-summary-control').click()")
    await page.until(f"!!{block}.querySelector('.try-out__btn')")
    await page.value(f"{block}.querySelector('.try-out__btn').click()")
    await page.until(f"!!{block}.querySelector('.execute')")
    await page.value(f"{block}.querySelector('.execute').click()")
    live = f"{block}.querySelector('.live-responses-table')?.innerText ?? ''"
    text = await page.until(f"({live}).includes('{status}') && ({live})")
    assert told in text


def test_without_a_certificate_chromium_is_turned_away(quick_used: Quick, served: Service, tmp_path: Path) -> None:
    nss_home(tmp_path / "home", quick_used.folder / "ca.crt")

    async def visit(address: str) -> str:
        async with tab(address) as page:
            return await page.open(f"https://localhost:{served.port}/")

    with chromium(tmp_path / "etc", tmp_path / "home", policy(served)) as address:
        assert asyncio.run(visit(address)).startswith("net::ERR_")
    served.await_line("handshake.refused .*reason=NO_CERTIFICATE")
