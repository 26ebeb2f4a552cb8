"""Rows of the OCSP table: what a responder answers and what a client then gets, by the phrases that name them."""
