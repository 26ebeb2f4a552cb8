"""The HTTP API: the table of its rows, the way of a request, the shapes of the contract."""
