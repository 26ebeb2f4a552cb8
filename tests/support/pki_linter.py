"""pkilint as a judge of certificates and CRLs: what it finds that is worse than information."""

import warnings
from typing import Any

from hsmgate.record import Record


class Finding(Record):
    """One line of its report."""

    severity: str
    code: str


def certificate(der: bytes) -> list[Finding]:
    """RFC 5280, as `lint_pkix_cert` judges."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own dependencies
        from pkilint import loader
        from pkilint.pkix import certificate as rules
        from pkilint.pkix import extension, name

        judge = rules.create_pkix_certificate_validator_container(
            rules.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
            [
                rules.create_issuer_validator_container([]),
                rules.create_validity_validator_container(),
                rules.create_subject_validator_container([]),
                rules.create_extensions_validator_container([]),
                rules.create_spki_validator_container([]),
            ],
        )
        return _found(judge.validate(loader.load_certificate(der, "a certificate").root))


def crl(der: bytes) -> list[Finding]:
    """RFC 5280, as `lint_crl --type CRL --profile PKIX` judges."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pkilint import loader, pkix
        from pkilint.pkix import crl as rules
        from pkilint.pkix import extension, name

        judge = rules.create_pkix_crl_validator_container(
            [
                pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
                pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
            ],
            [
                rules.create_issuer_validator_container([]),
                rules.create_validity_validator_container([]),
                rules.create_extensions_validator_container([]),
            ],
        )
        return _found(judge.validate(loader.load_crl(der, "a CRL").root))


def _found(results: Any) -> list[Finding]:
    return [
        Finding(severity=one.finding.severity.name, code=one.finding.code)
        for result in results
        for one in result.finding_descriptions
        if one.finding.severity.name not in {"INFO", "DEBUG"}
    ]
