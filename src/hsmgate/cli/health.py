"""`hsmgate health`: for health checks of containers and service managers."""

from hsmgate.adapters.health_socket import OK, ask_health
from hsmgate.cli import tables
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason


def health(config: Config) -> None:
    """Print what it says. Failure: CONNECTIVITY, where it is not well, or does not answer."""
    path = config.hsmgate.health.socket or config.hsmgate.data_dir / "health.sock"
    said = ask_health(path)
    if said != OK:
        raise Failure(Reason.CONNECTIVITY, f"the service is not well: {tables.plain(said)}")
    print(said)
