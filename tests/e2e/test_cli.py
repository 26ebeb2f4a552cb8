"""The program as a shell sees it: exit codes, streams, one line for what is refused, nothing shortened."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from hsmgate import __version__
from support import certs
from support.forks import Forks
from support.service import PROGRAM, Quick, environment, one_line

LONG = "a truststore entry whose alias is much longer than any terminal is wide " * 3


def shell(script: str, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A script in which "$@" is the program with these arguments."""
    command = ["bash", "-c", script, "bash", *PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**environ), timeout=60, check=False)


def test_both_names_are_one_program() -> None:
    installed = Path(PROGRAM[0]).with_name("hsmgate")
    for command in ([installed], PROGRAM):
        done = subprocess.run([*command, "version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"hsmgate {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["serve", "--port", "1"],
        ["serve", "here"],
        ["check", "--config"],
        ["trust"],
        ["trust", "add"],
        ["trust", "test"],
        ["audit", "verify"],
        [],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], commands: Forks) -> None:
    done = commands.run(*arguments)
    assert done.code == 2
    assert "Usage: hsmgate" in done.out + done.err or done.err.startswith("Error: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["serve", "--help"], ["trust", "-h"], ["audit", "verify", "-h"]]
)
def test_help_is_whole_where_nobody_looks_at_a_terminal(arguments: list[str], commands: Forks) -> None:
    done = commands.run(*arguments, COLUMNS="40")
    assert (done.code, done.err) == (0, "")
    assert "…" not in done.out
    if "serve" in arguments:
        whole = "Configuration file or folder. Default: $HSMGATE_CONFIG, else ./config-files, else /etc/app/config."
        assert whole in done.out


def test_help_is_quick() -> None:
    """What serving needs is not imported for it."""
    done = subprocess.run(
        [PROGRAM[0], "-X", "importtime", "-m", "hsmgate", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"sqlalchemy", "aiohttp", "cryptography", "OpenSSL", "uvicorn", "rich", "yaml", "structlog"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--config", "nowhere"],
        ["check", "--config", "nowhere"],
        ["serve"],
        ["check", "--json"],
        ["trust", "list"],
        ["trust", "list", "--store", "nowhere.pem"],
        ["trust", "test", "nowhere.pem", "--store", "nowhere.pem"],
        ["trust", "add", "nowhere.pem", "--store", "nowhere.jks"],
        ["trust", "remove", "alias", "--store", "nowhere.jks"],
        ["audit", "verify", "nowhere.log"],
        ["audit", "verify", "/dev/null"],
        ["quickstart", "/proc/nowhere"],
        ["quickstart", "a\nb"],
        ["serve", "--profile", "a/b"],
        ["serve", "--config", "a\0b".replace("\0", "\x1b[31m\n")],
    ],
)
def test_what_fails_is_one_line_and_exit_code_1(arguments: list[str], commands: Forks, tmp_path: Path) -> None:
    done = commands.run(*arguments, cwd=tmp_path)
    assert done.code == 1
    assert "HSMGATE_TRACE" not in one_line(done.err)
    assert done.out == ""
    assert "\x1b" not in done.err


def test_an_unknown_variable_of_ours_is_refused_and_the_others_are_not(quick: Quick, commands: Forks) -> None:
    done = commands.run("check", "--config", quick.config, HSMGATE_DATADIR="/x", HSMGATE_TRUST_RELAOD="1s")
    assert (done.code, "HSMGATE_TRUST_RELOAD" in one_line(done.err)) == (1, True)
    for command in (["check"], ["trust", "list"]):
        done = commands.run(
            *command, "--config", quick.config, HSMGATE_STORE_PASSWORD="x", HSMGATE_TRACE="1", SERVER_PORT="0"
        )
        assert done.code == 0, done.err


def test_a_bug_is_one_line_and_its_trace_only_on_demand(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import hsmgate.config, hsmgate.cli; hsmgate.config.load = None; hsmgate.cli.main()"
    command = [PROGRAM[0], "-c", script, "check"]
    quiet = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert quiet.returncode == 1
    assert one_line(quiet.stderr).startswith("unexpected TypeError: ")
    traced = subprocess.run(command, capture_output=True, text=True, env=environment(HSMGATE_TRACE="1"), check=False)
    assert traced.returncode == 1
    assert "Traceback" in traced.stderr


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A truststore whose listing fills more than a pipe."""
    path = tmp_path_factory.mktemp("large") / "store.pem"
    made = [certs.make(f"entry {number} {LONG[:40]}") for number in range(400)]
    path.write_bytes(b"".join(one.pem for one in made))
    return path


def test_a_reader_that_goes_away_is_no_error_to_speak_of(large: Path) -> None:
    done = shell('"$@" | head -1', "trust", "list", "--store", large)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    done = shell('"$@" | true; sleep 0.1', "version")
    assert done.stderr == ""


def test_output_that_cannot_be_written_is_said(large: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    for arguments in (["version"], ["trust", "list", "--store", str(large)]):
        done = shell('"$@" >/dev/full', *arguments)
        assert done.returncode == 1
        assert one_line(done.stderr) == "the output cannot be written: no space left on device"


def test_closed_streams_harm_nobody(quick: Quick) -> None:
    """No file that is opened later takes the number of a stream."""
    for closed in (">&-", "<&- >&- 2>&-"):
        done = shell(f'"$@" {closed}', "check", "--config", quick.config, SERVER_PORT="0")
        assert (done.returncode, done.stderr) == (0, ""), closed
        assert (done.stdout == "") is (">&-" in closed.replace("2>&-", ""))
    done = shell('"$@" <&- >&- 2>&- & pid=$!; for i in $(seq 600); do grep -q :.start., "$LOG" && break; sleep 0.05; '
                 'done; sleep 2; kill -TERM $pid; wait $pid', "serve", "--config", quick.config, SERVER_PORT="0",
                 LOG=str(quick.audit))  # fmt: skip
    assert done.returncode == 0
    own = [line["action"] for line in quick.trail() if not line["action"].startswith("pki.")]
    assert own[-2:] == ["start", "end"]
    quick.verify_trail()


def test_nothing_is_shortened_where_stdout_is_no_terminal(tmp_path: Path, commands: Forks) -> None:
    name = LONG.strip()[:60]
    store = tmp_path / "store.pem"
    made = certs.make(certs.name("short", *[(NameOID.ORGANIZATION_NAME, name)] * 9))
    store.write_bytes(made.pem)
    listed = commands.run("trust", "list", "--store", store, COLUMNS="40")
    assert listed.out.count("\n") == 1
    assert listed.out.count(name) == 9
    assert made.sha256 in listed.out
    as_json = commands.run("trust", "list", "--store", store, "--json")
    (row,) = json.loads(as_json.out)
    assert (row["sha256"], row["role"]) == (made.sha256, "pin")


def test_names_that_steer_a_terminal_are_shown_harmless(tmp_path: Path, commands: Forks) -> None:
    store = tmp_path / "store.pem"
    store.write_bytes(certs.make("\x1b]0;title\x07[red]evil\r\n\tx").pem)
    listed = commands.run("trust", "list", "--store", store)
    assert listed.code == 0
    assert listed.out.count("\n") == 1
    assert not set("\x1b\x07\r") & set(listed.out)
    assert len(listed.out.rstrip("\n").split("\t")) == 6
    json.loads(commands.run("trust", "list", "--store", store, "--json").out)


def test_text_that_the_locale_cannot_write_is_escaped(tmp_path: Path, commands: Forks) -> None:
    store = tmp_path / "store.pem"
    store.write_bytes(certs.make("Zürich 東京").pem)
    done = shell('"$@"', "trust", "list", "--store", store, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert done.stderr == ""


def test_check_as_json_says_what_the_text_says(quick_used: Quick, commands: Forks) -> None:
    text = commands.run("check", "--config", quick_used.config, SERVER_PORT="0")
    as_json = commands.run("check", "--config", quick_used.config, "--json", SERVER_PORT="0")
    assert (text.code, as_json.code, text.err, as_json.err) == (0, 0, "", "")
    said = json.loads(as_json.out)
    for name, value in said["facts"].items():
        assert f"{name}: {value}\n" in text.out
    assert said["facts"]["keystore"] == "software, 1 keys"
    (entry,) = said["entries"]
    assert entry["role"] == "issuer"
    assert entry["sha256"] in text.out


def test_check_lists_roles_and_the_lines_that_change_them(quick: Quick, commands: Forks) -> None:
    root, pin, legacy = certs.authority("root"), certs.client("pin", certs.authority("x")), certs.version1("old")
    quick.truststore.write_bytes(root.pem + pin.pem + legacy.pem)
    done = commands.run("check", "--config", quick.config, "--json", SERVER_PORT="0")
    entries = {entry["sha256"]: entry for entry in json.loads(done.out)["entries"]}
    assert entries[root.sha256]["role"] == "issuer"
    assert entries[pin.sha256]["role"] == entries[legacy.sha256]["role"] == "pin"
    assert f"hsmgate.trust.issuers: [{legacy.sha256}]" in entries[legacy.sha256]["note"]
    with quick.yml.open("a") as file:
        file.write(f"\nhsmgate.trust: {{issuers: ['{legacy.sha256}'], pins: ['{root.sha256}']}}\n")
    done = commands.run("check", "--config", quick.config, "--json", SERVER_PORT="0")
    entries = {entry["sha256"]: entry for entry in json.loads(done.out)["entries"]}
    assert (entries[legacy.sha256]["role"], entries[root.sha256]["role"]) == ("issuer (named)", "pin")


def test_trust_test_says_who_would_come_in(quick: Quick, commands: Forks) -> None:
    client, other = quick.folder / "client.crt", quick.folder / "server.crt"
    done = commands.run("trust", "test", client, "--config", quick.config)
    assert done.code == 0
    assert done.out.startswith("let in by issuer:")
    refused = commands.run("trust", "test", other, "--config", quick.config)
    assert refused.code == 1
    assert one_line(refused.err)


def test_on_a_terminal_a_table_is_drawn(large: Path) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "trust", "list", "--store", str(large)], stdout=follower, stdin=follower, env=environment()
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 65536):
                shown += part
        except OSError:  # the end, on Linux
            pass
        os.close(leader)
        assert process.wait(30) == 0
    assert "sha256" in shown.decode()
    assert "│" in shown.decode()


def test_quickstart_keeps_what_is_there_and_serves_relative_paths(tmp_path: Path, commands: Forks) -> None:
    made = commands.run("quickstart", cwd=tmp_path)
    assert (made.code, made.err) == (0, "")
    assert made.out == (
        "made quickstart: certificates, truststore, client.p12 and configuration; "
        "start: hsmgate serve --config quickstart/config-files\n"
    )
    assert commands.run("quickstart", cwd=tmp_path).out.startswith("kept quickstart as it is")
    assert commands.run("quickstart", "--if-missing", cwd=tmp_path).out == ""
    served = commands.run(
        "serve", "--config", "quickstart/config-files", cwd=tmp_path, until_started=True, SERVER_PORT="0"
    )
    assert served.code is None
    assert served.out.startswith("curl --cacert quickstart/ca.crt --cert-type P12 --cert quickstart/client.p12:")


def test_a_client_bundle_that_was_taken_away_does_not_stop_the_service(quick_used: Quick, commands: Forks) -> None:
    (quick_used.folder / "client.p12.password").unlink()
    served = commands.serve(quick_used.config)
    assert (served.code, served.out) == (None, "")


def test_check_needs_no_room_where_the_service_will_write(quick: Quick, commands: Forks) -> None:
    before = sorted(quick.folder.rglob("*"))
    for _ in range(2):
        assert commands.run("check", "--config", quick.config, SERVER_PORT="0").code == 0
    assert sorted(quick.folder.rglob("*")) == before
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("hsmgate-check-*"))


def test_the_shell_completes_commands() -> None:
    done = shell('"$@"', _HSMGATE_COMPLETE="complete_bash", COMP_WORDS="hsmgate trust l", COMP_CWORD="2")
    assert (done.returncode, done.stdout.split()) == (0, ["list"])
