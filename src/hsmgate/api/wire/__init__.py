"""Request and response bodies, by section of the contract."""
