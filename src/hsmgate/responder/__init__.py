"""The OCSP responder: its own plain-HTTP listener, in front of what our authorities issued."""
