"""What the pages are told: where the description is."""

from hsmgate.record import WireRecord


class SwaggerConfig(WireRecord):
    """GET /v3/api-docs/swagger-config, in Swagger UI's own words."""

    config_url: str
    url: str
    validator_url: str = ""  # none: nothing is sent to anybody
