"""The one exception of the client: what the service refused, or why it could not be asked."""

OPTION = "client.option"  # how the client was made or called
IDENTITY = "client.identity"  # the client's certificate or key, or the CA file
CONNECT = "client.connect"  # nothing was sent
TIMEOUT = "client.timeout"
CONNECTION = "client.connection"  # broke while it was in use; whether the request ran is not known
ANSWER = "client.answer"  # an answer that is none of the contract's


class RequestFailed(Exception):  # noqa: N818 - says what happened
    """`error_code`, `reason` and `message` are those of the service, `status` that of HTTP.

    Where there was no answer, `status` and `error_code` are None and `reason` begins with `client.`. `request_id`
    is in the service's log and audit trail too; empty where no request was made.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        error_code: int | None = None,
        status: int | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.error_code = error_code
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        facts = [self.reason]
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        if self.error_code is not None:
            facts.append(f"errorCode {self.error_code}")
        if self.request_id:
            facts.append(f"request {self.request_id}")
        return f"{self.message} ({', '.join(facts)})"
