"""The description of the API in OpenAPI 3.1, made from the endpoint table, the wire records and the problems."""
