"""What can be done: f(ports, peer, command) -> result."""
