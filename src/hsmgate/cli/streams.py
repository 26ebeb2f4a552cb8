"""Standard input, output and error of the process: there, able to take any text, and written out before the end."""

import io
import os
import sys

_STREAMS = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Call first. A stream that the caller closed becomes /dev/null: else the next file that is opened would take its
    number, and what anybody writes to it would land there.
    """
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an alias may hold what the locale cannot write


def flush() -> str:
    """Write out what is pending; why it could not be written, or nothing. A reader that went away is no reason."""
    why = ""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _drop(stream)
        except OSError as error:
            why = why or unwritten(error)
            _drop(stream)
    return why


def unwritten(error: OSError) -> str:
    """What to say when standard output does not take what is printed."""
    return f"the output cannot be written: {(error.strerror or 'failed').lower()}"


def _drop(stream: object) -> None:
    """Let what is pending go to /dev/null, or the interpreter complains about it at its end."""
    if isinstance(stream, io.TextIOWrapper):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
