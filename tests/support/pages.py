"""Runs a page of the documentation: its shell blocks, in order, in one folder, and what it says comes of them."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from sybil import Example
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from support.served import Served, environment

ROOT = Path(__file__).parents[2]
_SHOWN_URL = "https://localhost:8080/"
_FAILED = ("curl: (", "hsmgate: ")  # a shown answer that begins so belongs to a command that fails


class Walk:
    """One reader who does what the page says.

    `sh` runs; `hsmgate serve` alone starts the service, or starts it again. `text` and `json` after it are what it
    says: every line of `text` is in its output, `json` is its output. `log` is in the log of the service, `<...>` being
    anything; what `<SHA-256>` stood for is filled in later. `yaml` begins with the file that it is, or is added to.
    """

    def __init__(self, page: Path, folder: Path, serve: Callable[[Path], Served] = Served) -> None:
        """`serve`: what `hsmgate serve` in that folder does."""
        self.folder, self._serve = folder, serve
        self._said = ""
        self._failed: str | None = None  # the command of a failure that no shown answer has explained yet
        self._sha256 = ""
        self.served: Served | None = None
        blocks = {"sh": self._sh, "text": self._text, "json": self._json, "log": self._log, "yaml": self._yaml}
        parsers = [CodeBlockParser(language, _evaluator(run)) for language, run in blocks.items()]
        document = Document.parse(str(page), *parsers)
        self._text_of_page = document.text
        self._examples = list(document.examples())
        self.count = 0

    def until(self, heading: str | None = None) -> "Walk":
        """Go on up to this heading, or to the end."""
        end = self._text_of_page.index(f"\n{heading}\n") if heading else len(self._text_of_page)
        while self._examples and self._examples[0].start < end:
            self._examples.pop(0).evaluate()
            self.count += 1
        self._explained()
        return self

    def stop(self) -> None:
        if self.served is not None:
            assert self.served.stop() == 0
            self.served = None

    def _sh(self, text: str) -> None:
        self._explained()
        if text.strip() == "hsmgate serve":
            self.stop()
            self.served = self._serve(self.folder)
            return
        done = shell(text if self.served is None else shown_to(self.served.port, text), self.folder)
        self._said = done.stdout + done.stderr
        self._answer = done.stdout
        self._failed = f"{text}\n{self._said}" if done.returncode else None

    def _text(self, text: str) -> None:
        for line in text.splitlines():
            assert line in self._said, self._said
        assert text.startswith(_FAILED) == (self._failed is not None), self._said
        self._failed = None

    def _json(self, text: str) -> None:
        self._explained()
        assert json.loads(self._answer) == json.loads(text)

    def _log(self, text: str) -> None:
        assert self.served is not None
        for line in text.splitlines():
            pattern = re.escape(line).replace("<SHA\\-256>", "(?P<sha256>[0-9a-f]{64})")
            found = self.served.logged(re.sub("<[a-z]+>", r"\\S+", pattern))
            self._sha256 = found.groupdict().get("sha256") or self._sha256

    def _yaml(self, text: str) -> None:
        head = re.match(r"# (add to )?(\S+)\n", text)
        assert head, f"a yaml block begins with its file: {text}"
        with (self.folder / head[2]).open("a" if head[1] else "w") as file:
            file.write(text.replace("<SHA-256>", self._sha256))

    def _explained(self) -> None:
        assert self._failed is None, f"a command failed: {self._failed}"


def _evaluator(run: Callable[[str], None]) -> Callable[[Example], None]:
    return lambda example: run(str(example.parsed))


def shell(text: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a reader pastes them, but end at the first that fails."""
    return subprocess.run(
        ["sh", "-ec", text],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def shown_to(port: int, text: str) -> str:
    """The text with the port that pages show replaced by the one that is served."""
    return text.replace(_SHOWN_URL, f"https://localhost:{port}/")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
