"""What real clients of the contract send, octet by octet, and what they do with the answers."""
