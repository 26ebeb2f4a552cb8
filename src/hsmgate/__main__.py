"""`python -m hsmgate` is the same program as the `hsmgate` command."""

from hsmgate.cli import main

if __name__ == "__main__":
    main()
