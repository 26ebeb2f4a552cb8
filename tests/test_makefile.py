"""Makefile, scripts/ and .ci/run: with stand-ins for python, make and apt-get, and (long) for real in a fresh copy."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# PATH of the stand-ins: their folder and links to these, so that nothing else of this machine is found
PLAIN_TOOLS = [
    *("awk", "cat", "chmod", "cksum", "cut", "dirname", "echo", "env", "find", "flock", "grep", "head", "id", "make"),
    *("mkdir", "mktemp", "mv", "pwd", "rm", "sed", "sh", "sleep", "tail", "tee", "tr"),
]


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PLAIN_TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make needs of the checkout, in a folder with a space in its name."""
    folder = tmp_path / "a checkout"
    for name in ("scripts", "requirements", ".ci"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def stand_in(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def settled(checkout: Path) -> None:
    """Make .venv look up to date, its python being a stand-in that notes how it was called."""
    stand_in(
        checkout / ".venv/bin/python",
        f'echo "$PWD|${{SERVER_PORT-unset}}|$*" >>"{checkout}/calls"; [ ! -e "{checkout}/fail-$2" ]',
    )
    stand_in(checkout / ".venv/bin/lint-imports", "exit 0")
    for name in ("main", "dev"):
        state = f'cat "requirements/{name}.txt" pyproject.toml | cksum; pwd'
        done = subprocess.run(["sh", "-c", state], cwd=checkout, capture_output=True, text=True, check=True)
        (checkout / f".venv/installed-{name}").write_text(done.stdout)


def run(command: list[str], folder: Path, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(path), "HOME": "", "PWD": str(folder), **environment}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60, umask=0o022
    )


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines() if (checkout / "calls").exists() else []


# --- Makefile ---------------------------------------------------------------------------------------------------------


def test_every_target_is_phony_and_explained(checkout: Path, bin_folder: Path) -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split())
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    assert targets == phony
    shown = run(["make"], checkout, bin_folder).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets - {"help"}


@pytest.mark.parametrize(
    ("arguments", "environment", "port"),
    [
        ([], {}, "unset"),
        (["PORT=9000"], {}, "9000"),
        (["SERVER_PORT=9001"], {}, "9001"),
        ([], {"PORT": "9002"}, "9002"),
        ([], {"SERVER_PORT": "9003", "PORT": "9004"}, "9003"),
        ([], {"SERVER_PORT": ""}, "unset"),
    ],
)
def test_make_run_makes_the_quickstart_and_serves_it(
    checkout: Path, bin_folder: Path, arguments: list[str], environment: dict[str, str], port: str
) -> None:
    settled(checkout)
    done = run(["make", "run", *arguments], checkout, bin_folder, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert calls(checkout) == [
        f"{checkout}|{port}|-m hsmgate quickstart --if-missing quickstart",
        f"{checkout}|{port}|-m hsmgate serve --config quickstart/config-files",
    ]


def test_make_run_from_elsewhere_names_the_folder_in_full(checkout: Path, bin_folder: Path, tmp_path: Path) -> None:
    settled(checkout)
    run(["make", "-C", str(checkout), "run"], tmp_path, bin_folder)
    assert calls(checkout)[1].endswith(f"|-m hsmgate serve --config {checkout}/quickstart/config-files")


def test_make_run_does_not_serve_without_its_quickstart(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    stand_in(checkout / ".venv/bin/python", f'echo "$*" >>"{checkout}/calls"; exit 1')
    done = run(["make", "run"], checkout, bin_folder)
    assert done.returncode != 0
    assert calls(checkout) == ["-m hsmgate quickstart --if-missing quickstart"]


def test_ctrl_c_reaches_the_server_and_make_says_nothing(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    # as a server does it takes a moment to end; GNU make 4.3 stumbles over a child that is gone before it looks
    serve = 'trap "sleep 0.3; echo ended in order; exit 0" INT; echo serving; while :; do sleep 0.05; done'
    stand_in(checkout / ".venv/bin/python", f'case "$*" in *serve*) {serve} ;; esac')
    with subprocess.Popen(
        ["make", "run"],
        cwd=checkout,
        env={"PATH": str(bin_folder), "PWD": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "serving\n"
        os.killpg(make.pid, signal.SIGINT)
        rest = make.stdout.read()
    assert rest == "ended in order\n"


def test_make_test_is_the_everyday_tier_on_two_cores(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    packaged = ("curl", "openssl", "keytool", "certutil", "systemd-analyze", "docker-compose")
    others = ("softhsm2-util", "pkcs11-tool", "p11-kit", "g++", "setpriv", "mariadbd", "initdb")
    for command in (*packaged, *others):
        stand_in(bin_folder / command, "exit 0")
    done = run(["make", "test"], checkout, bin_folder)
    assert done.returncode == 0, done.stderr
    assert [call.rpartition("|")[2] for call in calls(checkout)] == ["-m pytest -n 2 -m not long"]
    (bin_folder / "keytool").unlink()
    stand_in(bin_folder / "id", "echo 1000")
    stand_in(bin_folder / "apt-get", "exit 0")
    done = run(["make", "test"], checkout, bin_folder)
    assert done.returncode != 0
    assert "sudo apt-get install --no-install-recommends default-jre-headless" in done.stderr
    assert len(calls(checkout)) == 1


def test_make_check_names_a_module_that_is_too_long(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    module = checkout / "src/hsmgate/long.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n" * 400)
    assert run(["make", "check"], checkout, bin_folder).returncode == 0
    module.write_text("x = 1\n" * 401)
    done = run(["make", "check"], checkout, bin_folder)
    assert done.returncode != 0
    assert "src/hsmgate/long.py: more than 400 lines" in done.stdout


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
def test_make_check_fails_with_each_of_its_tools(checkout: Path, bin_folder: Path, tool: str) -> None:
    settled(checkout)
    (checkout / "src").mkdir()
    assert run(["make", "check"], checkout, bin_folder).returncode == 0
    (checkout / f"fail-{tool}").touch()
    assert run(["make", "check"], checkout, bin_folder).returncode != 0


def test_make_clean_keeps_the_keys_of_the_quickstart(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    for name in ("quickstart", "build", "src", "tests", "bench", "fuzz", "examples"):
        (checkout / name).mkdir()
    done = run(["make", "clean"], checkout, bin_folder)
    assert done.returncode == 0, done.stderr
    assert (checkout / "quickstart").exists()
    assert not (checkout / "build").exists()
    assert not (checkout / ".venv").exists()


# --- scripts/debian-packages ------------------------------------------------------------------------------------------


def packages(checkout: Path, path: Path, *needs: str) -> subprocess.CompletedProcess[str]:
    return run(["sh", "scripts/debian-packages", *needs], checkout, path)


def debian(bin_folder: Path, user: int, apt_get: str = "exit 0") -> Path:
    stand_in(bin_folder / "id", f"echo {user}")
    log = bin_folder / "apt.log"
    stand_in(bin_folder / "apt-get", f'echo "$DEBIAN_FRONTEND $*" >>"{log}"\n{apt_get}')
    stand_in(bin_folder / "dpkg-query", '[ "$3" = present ] && echo "install ok installed"')
    return log


def test_nothing_is_said_or_done_where_nothing_is_missing(checkout: Path, bin_folder: Path) -> None:
    log = debian(bin_folder, user=0)
    done = packages(checkout, bin_folder, "sed=sed", "present")
    assert (done.returncode, done.stdout, done.stderr, log.exists()) == (0, "", "", False)


def test_who_is_not_root_is_told_one_line_to_run(checkout: Path, bin_folder: Path) -> None:
    log = debian(bin_folder, user=1000)
    done = packages(checkout, bin_folder, "sed=sed", "no-such-command=one", "absent", "present")
    assert done.returncode == 1
    assert done.stderr.endswith("sudo apt-get install --no-install-recommends one absent\n")
    assert done.stderr.count("\n") == 1
    assert not log.exists()


def test_root_gets_what_is_missing_and_sees_its_name_first(checkout: Path, bin_folder: Path) -> None:
    log = debian(bin_folder, user=0)
    done = packages(checkout, bin_folder, "no-such-command=one", "absent")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Installing Debian packages: one absent\n"
    asked = log.read_text().splitlines()
    assert asked[-1].startswith("noninteractive ")
    assert asked[-1].endswith("install --no-install-recommends one absent")
    assert not any(line.endswith("update") for line in asked)


def test_absent_package_lists_are_fetched_first(checkout: Path, bin_folder: Path) -> None:
    lists = bin_folder / "lists"
    log = debian(bin_folder, 0, f'case "$*" in *update) : >"{lists}" ;; *) [ -e "{lists}" ] ;; esac')
    assert packages(checkout, bin_folder, "absent").returncode == 0
    asked = log.read_text().splitlines()
    assert asked[-2].endswith("update")
    assert asked[-1].endswith("install --no-install-recommends absent")


def test_a_package_that_cannot_be_installed_stops(checkout: Path, bin_folder: Path) -> None:
    debian(bin_folder, 0, 'case "$*" in *update) exit 0 ;; *) exit 100 ;; esac')
    assert packages(checkout, bin_folder, "absent").returncode != 0


def test_elsewhere_than_on_debian_the_packages_are_named(checkout: Path, bin_folder: Path) -> None:
    done = packages(checkout, bin_folder, "no-such-command=one")
    assert done.returncode == 1
    assert done.stderr.endswith(": one\n")
    assert done.stderr.count("\n") == 1


# --- scripts/venv -----------------------------------------------------------------------------------------------------


PYTHON = """
case "$*" in
    *version_info*'<'*) exit 0 ;;
    *'%d.%d'*) echo 3.11 ;;
    -V) echo Python 3.11.9 ;;
    *'import ensurepip'*) [ ! -e "{checkout}/no-ensurepip" ] ;;
    *'-m venv'*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *'-m pip'*) echo "$*" >>"{checkout}/pip"; [ ! -e "{checkout}/pip-fails" ] ;;
esac
"""


@pytest.fixture
def python(checkout: Path, bin_folder: Path) -> Path:
    stand_in(bin_folder / "python3", PYTHON.replace("{checkout}", str(checkout)))
    (bin_folder / "cp").symlink_to(shutil.which("cp") or "")
    return bin_folder / "python3"


def venv(checkout: Path, path: Path, name: str = "main") -> subprocess.CompletedProcess[str]:
    return run(["sh", "scripts/venv", name], checkout, path)


def pip_runs(checkout: Path) -> int:
    return (checkout / "pip").read_text().count("--require-hashes") if (checkout / "pip").exists() else 0


@pytest.mark.usefixtures("python")
def test_packages_are_installed_by_hash_and_once(checkout: Path, bin_folder: Path) -> None:
    done = venv(checkout, bin_folder)
    assert done.returncode == 0, done.stderr
    assert (checkout / "pip").read_text().splitlines() == [
        "-m pip install -q --no-deps --require-hashes -r requirements/main.txt",
        "-m pip install -q --no-deps --no-build-isolation -e .",
    ]
    again = venv(checkout, bin_folder)
    assert (again.returncode, again.stdout, pip_runs(checkout)) == (0, "", 1)


@pytest.mark.usefixtures("python")
def test_a_changed_lock_and_a_moved_checkout_are_installed_again(checkout: Path, bin_folder: Path) -> None:
    venv(checkout, bin_folder)
    with (checkout / "requirements/main.txt").open("a") as file:
        file.write("# changed\n")
    venv(checkout, bin_folder)
    assert pip_runs(checkout) == 2
    moved = checkout.rename(checkout.with_name("moved away"))
    checkout.mkdir()  # the stand-in notes its calls here
    venv(moved, bin_folder)
    assert pip_runs(checkout) == 1


@pytest.mark.usefixtures("python")
def test_what_the_tests_need_covers_what_the_service_needs(checkout: Path, bin_folder: Path) -> None:
    venv(checkout, bin_folder, "dev")
    venv(checkout, bin_folder, "main")
    assert pip_runs(checkout) == 1


@pytest.mark.usefixtures("python")
def test_a_failed_installation_is_tried_again(checkout: Path, bin_folder: Path) -> None:
    (checkout / "pip-fails").touch()
    assert venv(checkout, bin_folder).returncode != 0
    (checkout / "pip-fails").unlink()
    assert venv(checkout, bin_folder).returncode == 0
    assert pip_runs(checkout) == 2


def test_an_old_python_is_one_clear_line(checkout: Path, bin_folder: Path) -> None:
    stand_in(bin_folder / "python3", "exit 1")
    done = venv(checkout, bin_folder)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("python")
def test_a_python_without_ensurepip_names_its_package(checkout: Path, bin_folder: Path) -> None:
    (checkout / "no-ensurepip").touch()
    debian(bin_folder, user=1000)
    done = venv(checkout, bin_folder)
    assert done.returncode == 1
    assert done.stderr.endswith("sudo apt-get install --no-install-recommends python3.11-venv\n")
    log = debian(bin_folder, user=0)
    assert venv(checkout, bin_folder).returncode == 0
    assert log.read_text().rstrip().endswith("install --no-install-recommends python3.11-venv")


def test_the_locks_hold_a_hash_for_every_package_and_no_address() -> None:
    pinned: dict[str, dict[str, str]] = {}
    for name in ("main", "dev"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        assert "://" not in text
        rows = re.findall(
            r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
        )
        assert [row[0] for row in rows] == re.findall(r"^([A-Za-z0-9-]+)==", text, re.MULTILINE)
        pinned[name] = {package: version for package, version, _ in rows}
    assert pinned["main"].items() <= pinned["dev"].items()


# --- scripts/fuzz and .ci/run -----------------------------------------------------------------------------------------


def test_every_fuzz_target_runs_and_one_that_fails_counts(checkout: Path, bin_folder: Path) -> None:
    settled(checkout)
    assert run(["make", "fuzz"], checkout, bin_folder).returncode != 0  # no targets is no success
    stand_in(
        checkout / ".venv/bin/python",
        f'echo "$*" >>"{checkout}/calls"; echo "Done 123 runs in 7 second(s)"; [ "$1" != fuzz/two.py ]',
    )
    for name in ("one.py", "two.py", "three.py", "_shared.py"):
        stand_in(checkout / "fuzz" / name, "")
    done = run(["make", "fuzz", "SECONDS=7"], checkout, bin_folder)
    assert done.returncode != 0
    assert "fuzz one: ok, 123 executions" in done.stdout
    assert "fuzz two: FAILED" in done.stdout
    assert sorted(call.split()[0] for call in calls(checkout)) == ["fuzz/one.py", "fuzz/three.py", "fuzz/two.py"]
    assert all("-max_total_time=7 " in call for call in calls(checkout))
    (checkout / "fuzz/two.py").unlink()
    assert run(["make", "fuzz"], checkout, bin_folder).returncode == 0


@pytest.mark.parametrize("failing", ["", "test", "check", "fuzz"])
def test_ci_runs_all_and_fails_with_each(checkout: Path, bin_folder: Path, failing: str) -> None:
    stand_in(
        bin_folder / "make",
        f'echo "$*" >>"{checkout}/calls"; echo "12 passed in 3.45s"; [ "$1" != "{failing}" ]',
    )
    done = run([shutil.which("bash") or "bash", ".ci/run"], checkout, bin_folder)
    assert sorted(calls(checkout)) == ["check", "fuzz SECONDS=60", "test"]
    assert (done.returncode == 0) is (failing == "")
    assert done.stdout.rstrip().endswith(f"failed: make {failing}" if failing else "all passed")
    assert "12 passed in 3.45s" in done.stdout


# --- for real ---------------------------------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path, home: Path) -> Iterator[str]:
    """`make run` on a free port, until it has printed its curl command; ended as Ctrl-C does."""
    keep = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_")) or name == "PATH"}
    log = folder.parent / f"log-{time.monotonic_ns()}"
    with log.open("wb") as output:
        make = subprocess.Popen(
            ["make", "run", "PORT=0"],
            cwd=folder,
            env={**keep, "HOME": str(home), "PWD": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        line = _wait_for_line(make, log)
        yield line
    finally:
        os.killpg(make.pid, signal.SIGINT)
        make.wait(30)
    said = log.read_text()
    assert "Traceback" not in said
    assert "***" not in said


def _wait_for_line(make: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and make.poll() is None:
        found = re.search(r"^curl .*\n", log.read_text(), re.MULTILINE)
        if found:
            return found.group().strip()
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.long
@pytest.mark.timeout(900)
def test_make_run_in_a_fresh_copy_with_an_empty_home(tmp_path: Path) -> None:
    folder, home = tmp_path / "a fresh copy", tmp_path / "home"
    home.mkdir()
    ignored = shutil.ignore_patterns(".venv", ".git", "quickstart", "build", "__pycache__", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=ignored)
    kept: dict[str, bytes] = {}
    for _ in range(2):
        with serving(folder, home) as line:
            done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
        files = {
            str(path): path.read_bytes()
            for path in (folder / "quickstart").rglob("*")
            if path.is_file() and "data" not in path.relative_to(folder / "quickstart").parts
        }
        assert not kept or files == kept
        kept = files
