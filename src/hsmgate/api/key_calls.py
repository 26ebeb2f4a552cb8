"""From a decoded request to its plan, for what keys do beside signing: one small function for each row."""

import hashlib

from hsmgate.api.calls import guesses_of
from hsmgate.api.plan import Answer, Fact, Plan
from hsmgate.api.wire.changes import BlockBody, ModifyBody, PasswordBody, UnblockBody
from hsmgate.api.wire.ciphers import DecryptAnswer, DecryptBody, EncryptBody, encrypt_answer
from hsmgate.api.wire.fields import encoded, password
from hsmgate.api.wire.keys import KeyBody, signed_attributes
from hsmgate.api.wire.macs import HmacAnswer, HmacBody
from hsmgate.api.wire.material import ImportBody, export_answer
from hsmgate.api.wire.wrapping import UnwrapBody, WrapAnswer, WrapBody
from hsmgate.usecases import bring_in, change_key
from hsmgate.usecases import encrypt as ciphers
from hsmgate.usecases import wrap as wrapping
from hsmgate.usecases.mac import mac
from hsmgate.usecases.ports import Ports

Params = tuple[str, ...]
_NOTHING: dict[str, str] = {}  # an empty object: clients parse the body of every answer


def encrypt(_: Params, body: EncryptBody) -> Plan:
    """POST /v1/encrypt. The audit trail gets no digest: short payloads could be guessed by it."""
    command = body.command()
    facts: dict[str, Fact] = {
        "key": command.label,
        "algorithm": command.cipher,
        "payloadBytes": len(command.payload),
    }
    return Plan(
        facts,
        lambda ports: Answer(encrypt_answer(ciphers.encrypt(ports, command))),
        guesses=guesses_of(command.label, command.password),
    )


def decrypt(_: Params, body: DecryptBody) -> Plan:
    """POST /v1/synchronousDecrypt."""
    command = body.command()
    facts: dict[str, Fact] = {
        "key": command.label,
        "algorithm": command.cipher,
        "payloadBytes": len(command.payload),
        "payloadSha256": _digest(command.payload),
    }

    def run(ports: Ports) -> Answer:
        done = ciphers.decrypt(ports, command)
        return Answer(DecryptAnswer(encoded(done.payload)), done.remark)

    return Plan(facts, run, guesses=guesses_of(command.label, command.password))


def hmac(_: Params, body: HmacBody) -> Plan:
    """POST /v1/synchronousHmac."""
    command = body.command()
    return Plan(
        {"key": command.label, "payloadBytes": len(command.payload), "payloadSha256": _digest(command.payload)},
        lambda ports: Answer(HmacAnswer(encoded(mac(ports, command)))),
        guesses=guesses_of(command.label, command.password),
    )


def wrap(_: Params, body: WrapBody) -> Plan:
    """POST /v1/wrap."""
    command = body.command()
    return Plan(
        {"key": command.label, "wrappingKey": command.wrapping_label, "algorithm": command.method},
        lambda ports: Answer(WrapAnswer(encoded(wrapping.wrap(ports, command)))),
        guesses=(
            *guesses_of(command.label, command.password),
            *guesses_of(command.wrapping_label, command.wrapping_password),
        ),
    )


def unwrap(_: Params, body: UnwrapBody) -> Plan:
    """POST /v1/synchronousUnwrap."""
    command = body.command()
    facts: dict[str, Fact] = {
        "key": command.label,
        "wrappingKey": command.wrapping_label,
        "algorithm": command.method,
        "payloadSha256": _digest(command.wrapped),
    }
    return Plan(
        facts,
        lambda ports: Answer(signed_attributes(wrapping.unwrap(ports, command))),
        guesses=guesses_of(command.wrapping_label, command.wrapping_password),
    )


def import_key(_: Params, body: ImportBody) -> Plan:
    """POST /v1/key/import/plain."""
    command = body.command()

    def run(ports: Ports) -> Answer:
        created = bring_in.bring_in(ports, command)
        return Answer(signed_attributes(created.signed), created.remark)

    return Plan({"key": command.label, "algorithm": command.algorithm}, run)


def export_key(_: Params, body: KeyBody) -> Plan:
    """POST /v1/key/export/plain."""
    return _export(body.label, password(body.password))


def export_named_key(params: Params, _body: None) -> Plan:
    """GET /v1/key/{keyName}/export/plain."""
    return _export(params[0], None)


def change_password(_: Params, body: PasswordBody) -> Plan:
    """POST /v1/key/changePassword."""
    old, new = password(body.password), password(body.new_password)

    def run(ports: Ports) -> Answer:
        change_key.change_password(ports, body.label, old, new)
        return Answer(_NOTHING)

    return Plan({"key": body.label}, run, guesses=guesses_of(body.label, old))


def block(_: Params, body: BlockBody) -> Plan:
    """POST /v1/synchronousBlock."""
    label, given = body.checked()

    def run(ports: Ports) -> Answer:
        change_key.block(ports, label, given)
        return Answer(_NOTHING)

    return Plan({"key": label}, run, guesses=guesses_of(label, given))


def unblock(_: Params, body: UnblockBody) -> Plan:
    """POST /v1/synchronousUnblock."""
    label, given = body.checked()

    def run(ports: Ports) -> Answer:
        change_key.unblock(ports, label, given)
        return Answer(_NOTHING)

    return Plan({"key": label}, run, guesses=guesses_of(label, given))


def modify(_: Params, body: ModifyBody) -> Plan:
    """POST /v1/synchronousModify."""
    command = body.command()

    def run(ports: Ports) -> Answer:
        change_key.modify(ports, command)
        return Answer(_NOTHING)

    return Plan({"key": command.label}, run, guesses=guesses_of(command.label, command.password))


def _export(label: str, given: str | None) -> Plan:
    return Plan(
        {"key": label},
        lambda ports: Answer(export_answer(bring_in.take_out(ports, label, given))),
        guesses=guesses_of(label, given),
    )


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
