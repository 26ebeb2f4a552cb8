"""The commands, thin: they read the command line, call, and print. What only one of them needs, it imports itself."""

import errno
import os
import sys
import traceback
import warnings

from hsmgate.cli import streams
from hsmgate.cli.commands import app
from hsmgate.errors import Failure

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130  # as shells count: 128 and SIGINT
_UNWRAPPED = 10_000  # columns


def main() -> None:
    """Entry point of the `hsmgate` command: exit code 0 done, 1 refused or failed, 2 wrong usage."""
    streams.prepare()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # pyca warns about strangers' certificates: they must not write into our log
    code = _run()
    if why := streams.flush():
        _say(why)
        code = code or EXIT_FAILED
    raise SystemExit(code)


def _run() -> int:
    try:
        if sys.stdout.isatty():
            app(prog_name="hsmgate")
        else:
            app(prog_name="hsmgate", terminal_width=_UNWRAPPED)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except Failure as failure:
        _say(str(failure))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        pass  # whoever read our output has seen enough
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in {errno.ENOSPC, errno.EIO}:
            _say(streams.unwritten(error))  # a print that did not fit into the buffer
            return EXIT_FAILED
        _say(f"unexpected {type(error).__name__}: {error} (with HSMGATE_TRACE=1 it says where)")
        if os.environ.get("HSMGATE_TRACE"):
            traceback.print_exc()
    return EXIT_FAILED


def _say(text: str) -> None:
    """One line, whatever the text holds."""
    print(f"hsmgate: {''.join(char if char.isprintable() else '?' for char in text)}", file=sys.stderr)
