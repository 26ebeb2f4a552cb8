"""The rows of the pages: each names a document of the table, which may be empty."""

from hsmgate.api.plan import Answer, Named, Plan, Planner

API_DOCS, CONFIG, PAGE = "/v3/api-docs", "/v3/api-docs/swagger-config", "/swagger-ui/index.html"
Params = tuple[str, ...]


def at(name: str) -> Planner:
    """The document of this name."""
    return lambda _params, _body: Plan({}, lambda _ports: Answer(Named(name)))


def file(params: Params, _body: None) -> Plan:
    """GET /swagger-ui/{file}: only what is in the table, by its whole name."""
    name = f"/swagger-ui/{params[0]}"
    return Plan({}, lambda _ports: Answer(Named(name)))
