"""`hsmgate key`: keys of a running service, from the command line. A command is a function of the client."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hsmgate.cli import key_request_commands
from hsmgate.cli import key_use as use
from hsmgate.cli.key_place import KEY_PASSWORD, connected, secret
from hsmgate.cli.options import JsonOption
from hsmgate.errors import Failure, Reason

if TYPE_CHECKING:
    from hsmgate.client import Client

app = typer.Typer(help="Keys of a running service: make, use, delete.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(key_request_commands.app, name="request")

LabelArgument = Annotated[str, typer.Argument(help="The name of the key.")]
Payload = Annotated[Path, typer.Argument(readable=False, help="File with the payload; - is standard input.")]
Encrypted = Annotated[Path, typer.Argument(readable=False, help="The JSON of encrypt; - is standard input.")]
Signing = Annotated[
    str,
    typer.Option("--algorithm", autocompletion=use.signature_algorithms, help="Like SHA256_WITH_ECDSA."),
]
Ciphering = Annotated[str, typer.Option("--cipher", autocompletion=use.ciphers, help="Like AES_GCM.")]
Raw = Annotated[bool, typer.Option("--raw", help="Octets as they are, not Base64.")]
KeyPasswordFile = Annotated[
    Path | None,
    typer.Option("--key-password-file", readable=False, help=f"Password of the key. Default: {KEY_PASSWORD}."),
]
AadFile = Annotated[
    Path | None, typer.Option("--aad-file", readable=False, help="What is authenticated beside the payload.")
]


@app.command("list")
@connected
def list_(client: "Client", json: JsonOption = False) -> None:
    """List the names of all keys."""
    from hsmgate.cli import tables

    labels = client.keys()
    if json:
        tables.print_json(labels)
    else:
        tables.show([use.Label(label) for label in labels], as_json=False)


@app.command()
@connected
def create(
    client: "Client",
    label: LabelArgument,
    algorithm: Annotated[
        str, typer.Option("--algorithm", autocompletion=use.key_types, help="Type of the key, like EC or AES.")
    ],
    size: Annotated[
        int | None, typer.Option("--size", min=1, max=65536, help="In bits, where the type has a choice.")
    ] = None,
    curve: Annotated[
        str | None, typer.Option("--curve", autocompletion=use.curves, help="P-256, secp256k1 ..., or an OID.")
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", autocompletion=use.attributes, help="sign, destroyable, sensitive=false ..."),
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", readable=False, help="JSON file with its policy.")] = None,
    identifier: Annotated[str | None, typer.Option("--id", help="An id of one's own, kept with the key.")] = None,
    key_password_file: KeyPasswordFile = None,
    json: JsonOption = False,
) -> None:
    """Make a key."""
    from hsmgate.cli import tables
    from hsmgate.client import Policy

    made = client.create(
        label,
        algorithm,
        attributes=use.flags(attribute or ()),
        curve_oid=use.curve_oid(curve),
        key_size=size,
        password=secret(key_password_file, KEY_PASSWORD),
        id=identifier,
        policy=None if policy is None else use.document(policy, Policy),
    )
    if json:
        tables.print_json(made)
    else:
        tables.show(use.facts(made.json), as_json=False)


@app.command()
@connected
def show(
    client: "Client", label: LabelArgument, key_password_file: KeyPasswordFile = None, json: JsonOption = False
) -> None:
    """Show what a key is and may do; with --json also its attestation."""
    from hsmgate.cli import tables

    found = client.key(label, password=secret(key_password_file, KEY_PASSWORD))
    if json:
        tables.print_json(found)
    else:
        tables.show(use.facts(found.json), as_json=False)


@app.command()
@connected
def delete(client: "Client", label: LabelArgument, key_password_file: KeyPasswordFile = None) -> None:
    """Destroy a key for good."""
    client.delete(label, password=secret(key_password_file, KEY_PASSWORD))
    print(f"deleted {label}")


@app.command()
@connected
def sign(
    client: "Client",
    label: LabelArgument,
    algorithm: Signing,
    payload: Payload = use.STDIN,
    form: Annotated[use.Form, typer.Option("--form", help="How an ECDSA or DSA signature is written.")] = "DER",
    raw: Raw = False,
    key_password_file: KeyPasswordFile = None,
) -> None:
    """Sign a payload of at most 64 KB and print the signature."""
    password = secret(key_password_file, KEY_PASSWORD)
    signed = client.sign(label, use.octets(payload), algorithm, form=form, password=password)
    use.put(signed.signature, raw=raw)


@app.command()
@connected
def verify(
    client: "Client",
    label: LabelArgument,
    signature: Annotated[Path, typer.Argument(readable=False, help="File with the signature, as sign printed it.")],
    algorithm: Signing,
    payload: Payload = use.STDIN,
    raw: Raw = False,
) -> None:
    """Say whether a signature is the key's: exit code 0, or 1 where it is not."""
    given = use.encoded_octets(signature, raw=raw)
    if not client.verify(label, use.octets(payload), given, algorithm):
        raise Failure(Reason.SIGNATURE_INVALID, "the signature does not verify")
    print("the signature verifies")


@app.command()
@connected
def encrypt(
    client: "Client",
    label: LabelArgument,
    cipher: Ciphering,
    payload: Payload = use.STDIN,
    aad_file: AadFile = None,
    key_password_file: KeyPasswordFile = None,
) -> None:
    """Encrypt a payload of at most 64 KB; prints the JSON that decrypt takes."""
    from hsmgate.cli import tables

    password = secret(key_password_file, KEY_PASSWORD)
    aad = None if aad_file is None else use.octets(aad_file)
    tables.print_json(client.encrypt(label, use.octets(payload), cipher, password=password, aad=aad))


@app.command()
@connected
def decrypt(
    client: "Client",
    label: LabelArgument,
    cipher: Ciphering,
    encrypted: Annotated[
        Path, typer.Argument(readable=False, help="The JSON of encrypt; - is standard input.")
    ] = use.STDIN,
    aad_file: AadFile = None,
    raw: Raw = False,
    key_password_file: KeyPasswordFile = None,
) -> None:
    """Decrypt what encrypt printed, and print the payload."""
    from hsmgate.client import shapes

    sealed = use.document(encrypted, shapes.Encrypted)
    opened = client.decrypt(
        label,
        sealed.encrypted_payload,
        cipher,
        iv=sealed.initialization_vector,
        aad=None if aad_file is None else use.octets(aad_file),
        password=secret(key_password_file, KEY_PASSWORD),
    )
    use.put(opened.payload, raw=raw)


@app.command()
@connected
def hmac(
    client: "Client",
    label: LabelArgument,
    payload: Payload = use.STDIN,
    raw: Raw = False,
    key_password_file: KeyPasswordFile = None,
) -> None:
    """Print the HMAC of a payload of at most 64 KB."""
    made = client.hmac(label, use.octets(payload), password=secret(key_password_file, KEY_PASSWORD))
    use.put(made.keyed_hash, raw=raw)
