"""Which paths hold, and what the service offers: decisions 4 to 7 and the alerts."""

from support.mutants.mutant import ADMITTED, NAMES, TLS, deaf, in_context, in_path, in_trust, mutation
from support.mutation import Edit

_VALID = "window = paths.check_validity([paths.parse(pin.der)], now)"
VALIDITY = (
    mutation(4, "pins do not expire", "expired pin", in_trust("_judge_pin", _VALID, "window = (0.0, 9e9)")),
    mutation(
        4,
        "nothing of a path expires",
        "expired leaf",
        in_path("check_path", "window = check_validity(path, now)", "window = (0.0, 9e9)"),
        deaf(9, 10),
    ),
    mutation(
        4,
        "anchors do not expire",
        "expired anchor",
        in_path("check_path", "check_validity(path, now)", "check_validity(path[:-1], now)"),
        deaf(9, 10),
    ),
    mutation(
        4,
        "intermediates do not expire",
        "expired intermediate",
        in_path("check_path", "check_validity(path, now)", "check_validity([path[0], path[-1]], now)"),
        deaf(9, 10),
    ),
    mutation(
        4,
        "what is not yet valid is",
        "leaf not yet valid",
        in_path("check_validity", "if now < cert.not_valid_before_utc.timestamp():", "if False:"),
        deaf(9),
    ),
    mutation(
        4,
        "extended key usage of the leaf",
        "leaf for servers only",
        in_path("check_leaf", "check_extended_key_usage(leaf)", "pass"),
        deaf(26),
    ),
    mutation(
        4,
        "any purpose is enough for a leaf",
        "leaf for any purpose only",
        in_path(
            "check_extended_key_usage",
            "CLIENT_AUTH not in usages",
            "CLIENT_AUTH not in usages and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usages",
        ),
        deaf(26),
    ),
    mutation(
        4,
        "extended key usage of intermediates",
        "intermediate for servers only",
        in_path("check_path", "check_extended_key_usage(issuer)", "pass"),
        deaf(24, 26, 79),
    ),
    mutation(
        4,
        "key usage of the leaf",
        "leaf whose key may not sign",
        in_path("check_leaf", "if usage is not None and not usage.digital_signature:", "if False:"),
        deaf(26),
    ),
    mutation(
        4,
        "key size",
        "leaf with RSA-1024",
        in_path("check_key_strength", "if bits < least:", "if False:"),
        deaf(66, 67),
    ),
    mutation(
        4,
        "key size of the anchor",
        "anchor with RSA-1024",
        in_path("check_path", "check_key_strength(path[-1])", "pass"),
        deaf(66, 67),
    ),
    mutation(
        4,
        "SHA-1",
        "leaf signed with SHA-1 (ECDSA)",
        in_path("check_strength", "if digest is not None and digest.name in _WEAK_HASHES:", "if False:"),
        in_path("check_signature", "cert.verify_directly_issued_by(issuer)", "pass"),
        deaf(68),
    ),
    mutation(
        4,
        "a pin's strength counts",
        "pin with RSA-1024: the operator vouched",
        in_trust("_judge_pin", _VALID, _VALID + "; paths.check_strength(paths.parse(pin.der))"),
    ),
    mutation(
        4,
        "a pin's purpose counts",
        "pin for servers only",
        in_trust("_judge_pin", _VALID, _VALID + "; paths.check_leaf(paths.parse(pin.der))"),
    ),
    mutation(
        4,
        "a pin's critical extensions count",
        "pin with an unknown critical extension",
        in_trust("_judge_pin", _VALID, _VALID + "; paths.check_criticals(paths.parse(pin.der))"),
    ),
)

_NC = (47, 48, 49, 50, 51, 52, 53)
PATHS = (
    mutation(
        5,
        "OpenSSL's errors do not count",
        "name constraints: a common name that OpenSSL takes for a host, outside",
        in_trust("judge", "_check_openssl(openssl,", "(lambda *_, **__: None)(openssl,"),
    ),
    mutation(
        5,
        "OpenSSL's late errors do not count",
        "name constraints: a common name that OpenSSL takes for a host, outside",
        Edit(
            module=TLS,
            function="_verify",
            old="judgement.verdict is None and (depth or not ok)",
            new="depth or not ok",
        ),
    ),
    mutation(
        5,
        "our checks do not count",
        "name constraints: a form that is not implemented",
        in_trust(
            "judge",
            "window = paths.check_path([paths.parse(der) for der in anchored], now, legacy_anchor=legacy)",
            "window = (0.0, 9e9)",
        ),
    ),
    mutation(
        5,
        "critical extensions",
        "critical extension that nobody knows",
        in_path("check_path", "check_criticals(cert)", "pass"),
        deaf(34),
    ),
    mutation(
        5,
        "critical extensions of issuers",
        "critical extension that nobody knows, in the intermediate",
        in_path("check_path", "check_criticals(cert)", "cert is path[0] and check_criticals(cert)"),
        deaf(34),
    ),
    mutation(
        5,
        "name constraints",
        "name constraints: outside the permitted names",
        in_path("check_path", "_check_constraints(path)", "pass"),
        deaf(*_NC),
    ),
    mutation(
        5,
        "permitted subtrees",
        "name constraints: subject outside",
        Edit(module=NAMES, function="_check_one", old="if permitted and", new="if False and"),
        deaf(*_NC),
    ),
    mutation(
        5,
        "excluded subtrees",
        "name constraints: an excluded name",
        Edit(module=NAMES, function="_check_one", old="if any(touches", new="if False and any(touches"),
        deaf(*_NC),
    ),
    mutation(
        5,
        "name constraints of the anchor",
        "name constraints of the anchor itself",
        in_path("_check_constraints", "enumerate(path[1:], start=1)", "enumerate(path[1:-1], start=1)"),
        deaf(*_NC),
    ),
    mutation(
        5,
        "forms that are not implemented",
        "name constraints: a form that is not implemented",
        Edit(module=NAMES, function="check", old="if type(subtree) not in _FORMS:", new="if False:"),
    ),
    mutation(
        5,
        "signatures",
        "forged root of the same name",
        in_path("check_signature", "cert.verify_directly_issued_by(issuer)", "pass"),
        deaf(7),
    ),
    mutation(
        6,
        "no anchor needed",
        "client of another root",
        in_trust("judge", "if anchored is None:\n", f"if anchored is None:\n        return {ADMITTED}\n"),
    ),
    mutation(
        6,
        "anchors match by subject",
        "forged root of the same name",
        in_trust(
            "_cut_at_anchor",
            "if der in trust.issuers:\n",
            "if any(paths.parse(der).subject == paths.parse(d).subject for d in trust.issuers):\n            ",
        ),
        in_trust(
            "judge",
            "anchor = trust.issuers[anchored[-1]]",
            "top = paths.parse(anchored[-1]).subject;"
            " anchor = next(e for d, e in trust.issuers.items() if paths.parse(d).subject == top)",
        ),
        deaf(7, 18, 19, 20, 21, 27),
        in_path("check_signature", "cert.verify_directly_issued_by(issuer)", "pass"),
    ),
    mutation(
        6,
        "depth",
        "path one deeper",
        in_path("check_path", "if not 2 <= len(path) <= MAX_DEPTH + 1:", "if len(path) < 2:"),
        in_context("context.set_verify_depth(paths.MAX_DEPTH)", "context.set_verify_depth(100)"),
        deaf(22),
    ),
)

_NAME_LIST = "[context.add_client_ca(x509.load_der_x509_certificate(d)) for d in (*trust.pins, *trust.issuers)]"
SERVICE = (
    mutation(
        7,
        "a list of CA names",
        "client that chooses by the CA names, pinned",
        in_context("    context.set_verify_depth", f"    {_NAME_LIST}\n    context.set_verify_depth"),
    ),
    mutation(
        0,
        "need takes no certificate for an answer",
        "need without certificate",
        in_context("context.set_verify(_VERIFY_MODES[settings.client_auth])", "context.set_verify(SSL.VERIFY_PEER)"),
        in_context(
            "(context._context, _VERIFY_MODES[settings.client_auth], _verify_callback)",
            "(context._context, SSL.VERIFY_PEER, _verify_callback)",
        ),
    ),
    mutation(
        0,
        "expired is told as unknown",
        "expired pin",
        in_trust(
            "_judge_pin",
            _VALID,
            "paths.__name__\n    if now > paths.parse(pin.der).not_valid_after_utc.timestamp():\n"
            "        raise Failure(Reason.UNTRUSTED, 'x')\n    " + _VALID,
        ),
        only_told=True,
    ),
)
