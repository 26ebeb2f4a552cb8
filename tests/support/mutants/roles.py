"""Who is a pin, who is an issuer: decisions 1 to 3."""

from support.mutants.mutant import ADMITTED, NO_CA, TLS, deaf, in_path, in_trust, mutation
from support.mutation import Edit

_PIN_LOOKUP = "pin = trust.pins.get(chain[0])"
_ROLE = "return Role.ISSUER if paths.may_issue(cert) else Role.PIN"

PINS = (
    mutation(1, "no pins", "pinned v1 client, TLS 1.2", in_trust("judge", "if pin is not None:", "if False:")),
    mutation(
        1,
        "pins only where OpenSSL is content",
        "pin with its own intermediate sent",
        in_trust("judge", "if pin is not None:", "if pin is not None and not openssl:"),
    ),
    mutation(
        1,
        "pins match by subject",
        "same subject as a pin, other key",
        in_trust(
            "judge",
            _PIN_LOOKUP,
            "pin = {paths.parse(d).subject: e for d, e in trust.pins.items()}.get(paths.parse(chain[0]).subject)",
        ),
    ),
    mutation(
        1,
        "pins match by key",
        "re-issued certificate of a pinned client",
        in_trust(
            "judge",
            _PIN_LOOKUP,
            "keys = {paths.parse(d).public_key().public_numbers(): e for d, e in trust.pins.items()};"
            " pin = keys.get(paths.parse(chain[0]).public_key().public_numbers())",
        ),
    ),
    mutation(
        1,
        "a pin anywhere in the chain lets in",
        "re-issued certificate that brings the pinned one",
        in_trust("judge", _PIN_LOOKUP, "pin = next((trust.pins[der] for der in chain if der in trust.pins), None)"),
        Edit(
            module=TLS,
            function="_built_chain",
            old="    return chain",
            new="    from support import cast; return [*chain, cast.get('alice').der]",
        ),
    ),
)

ROLES = (
    mutation(
        2,
        "a pin issues what its shape allows",
        "issuer entry in pins issues nothing",
        in_trust("build", "{d: e for d, e in entries.items() if e.role is not Role.PIN}", "entries"),
    ),
    mutation(
        2,
        "a v1 pin issues",
        "client issued by the guide's pinned v1 leaf",
        in_trust("build", "{d: e for d, e in entries.items() if e.role is not Role.PIN}", "entries"),
        in_trust(
            "_role", _ROLE, _ROLE.replace("Role.PIN", "(Role.LEGACY_ISSUER if constraints is None else Role.PIN)")
        ),
    ),
    mutation(
        2,
        "a pin issues whatever it is",
        "client issued by a CA:FALSE pin with keyCertSign",
        in_trust("build", "{d: e for d, e in entries.items() if e.role is not Role.PIN}", "entries"),
        in_path("_check_issuers", "elif may_issue(issuer):", "elif True:"),
        deaf(*NO_CA),
    ),
    mutation(
        2,
        "hsmgate.trust.pins is not read",
        "issuer entry in pins as client",
        in_trust("_role", "if digest in pins:\n        return", "if False:\n        return"),
    ),
    mutation(
        2,
        "an issuer entry is a client too",
        "issuer entry as client",
        in_trust(
            "judge",
            "    if chain[0] in trust.issuers:\n",
            f"    if chain[0] in trust.issuers:\n        return {ADMITTED}\n",
        ),
    ),
    mutation(
        2,
        "the line to add for an issuer as client",
        "issuer entry as client",
        in_trust("judge", "hsmgate.trust.pins: [{entry.sha256}]", "hsmgate.trust.pins"),
        only_told=True,
    ),
    mutation(
        2,
        "CA:FALSE issues",
        "CA:FALSE with keyCertSign below a trusted root",
        in_path("may_issue", "and constraints.ca", ""),
        deaf(*NO_CA),
    ),
    mutation(
        2,
        "CA:TRUE issues without keyCertSign",
        "CA without keyCertSign below a trusted root",
        in_path("may_issue", "and (usage is None or usage.key_cert_sign)", ""),
        deaf(*NO_CA),
    ),
    mutation(
        2,
        "pathLenConstraint is not read",
        "path longer than pathLenConstraint",
        in_path("_check_issuers", "(limit is not None and below > limit) or ", ""),
        deaf(25),
    ),
    mutation(
        2,
        "an entry may be both",
        "an entry cannot be both",
        in_trust("_role", "if digest in issuers and digest in pins:", "if False:"),
    ),
    mutation(
        2,
        "a CA below the root is a client",
        "CA below the root as client",
        in_path("check_leaf", "if constraints is not None and constraints.ca:", "if False:"),
        in_path("check_leaf", "if usage is not None and not usage.digital_signature:", "if False:"),
        deaf(26),
    ),
)

LEGACY = (
    mutation(
        3,
        "entries without basicConstraints issue unnamed",
        "v1 intermediate not named",
        in_trust(
            "_role", _ROLE, _ROLE.replace("Role.PIN", "(Role.LEGACY_ISSUER if constraints is None else Role.PIN)")
        ),
    ),
    mutation(
        3,
        "naming has no effect",
        "v1 intermediate named",
        in_trust("_role", "return Role.ISSUER if constraints is not None else Role.LEGACY_ISSUER", "return Role.PIN"),
    ),
    mutation(
        3,
        "one may stand below the anchor",
        "v1 intermediate between a trusted root and the client",
        in_path(
            "_check_issuers", "elif may_issue(issuer):", "elif may_issue(issuer) or basic_constraints(issuer) is None:"
        ),
        deaf(*NO_CA),
    ),
    mutation(
        3,
        "a named one has no path length",
        "named v1 intermediate with a v3 CA below",
        in_path("_check_issuers", "limit: int | None = 0", "limit: int | None = None"),
        in_path("_check_issuers", "(is_anchor and legacy_anchor and depth != 1)", "False"),
    ),
    mutation(
        3,
        "a self-issued CA below a named one",
        "named v1 intermediate with a v3 CA of its own name below",
        in_path("_check_issuers", "(is_anchor and legacy_anchor and depth != 1)", "False"),
    ),
    mutation(
        3,
        "OpenSSL's word on a named anchor counts",
        "v1 intermediate named",
        in_trust("judge", "excused=len(anchored) - 1 if legacy else None", "excused=None"),
    ),
    mutation(
        3,
        "CA:FALSE may be named",
        "explicit CA:FALSE named",
        in_trust("_role", "(constraints is not None and not constraints.ca) or ", ""),
    ),
    mutation(
        3,
        "CA:TRUE without keyCertSign may be named",
        "CA:TRUE without keyCertSign named",
        in_trust("_role", " or (usage is not None and not usage.key_cert_sign)", ""),
    ),
    mutation(
        3,
        "the line to add for a named issuer",
        "v1 intermediate not named",
        in_trust("_hint", "hsmgate.trust.issuers: [{entry.sha256}]", "hsmgate.trust.issuers"),
        only_told=True,
    ),
)
