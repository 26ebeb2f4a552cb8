"""The sealing key that a configuration names, for commands that need nothing else of the keystore."""

from hsmgate.adapters.keystores import OWN_KEY
from hsmgate.adapters.sealing_key import Passphrase, SealingKey, configured_sealing_key, read_sealing_key
from hsmgate.config import Config


def sealing_secret(config: Config) -> SealingKey | Passphrase:
    """The configured one, or the one that the service made itself. Failure: CONFIG_INVALID."""
    software, data_dir = config.hsm.software, config.hsmgate.data_dir
    if software.key is None and software.key_file is None:
        return read_sealing_key(data_dir / OWN_KEY)
    return configured_sealing_key(software.key, software.key_file, data_dir)
