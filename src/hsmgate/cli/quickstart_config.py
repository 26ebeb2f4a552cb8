"""The configuration file of a quickstart, with comments that teach."""

_APPLICATION_YML = """\
# Configuration of this quickstart. Relative paths count from the folder of this file.
# All settings are in docs/reference/ of the project; what they amount to, without serving: hsmgate check
server:
  # Only this machine can connect. To serve others set 0.0.0.0 and give the server a certificate with its real name.
  address: 127.0.0.1
  port: 8080                     # SERVER_PORT in the environment overrides it
  ssl:
    # Who this server is: its key and certificate. Clients check it with ../ca.crt (curl --cacert).
    key-store: 'file:tls/server.p12'
    key-store-password: '{password}'
    # Who may come in: every client with a certificate that these issuers signed. A certificate in here that is no
    # issuer lets in exactly that one client. JKS, PKCS12, PEM and DER are told apart by content, and a change of the
    # file takes effect within seconds, on open connections too.
    trust-store: 'file:tls/truststore.pem'
    # need: no connection without a trusted certificate; want: may come without one; none: never asked for
    client-auth: need

hsm:
  backend: software              # keys live in the database, sealed; no hardware needed
  software:
    # Unseals every key: without this file the database is worthless, to a thief and to you. Keep a copy elsewhere.
    key: 'file:../sealing.key'

hsmgate:
  data-dir: '../data'            # database with keys and certificates, audit log
  responder:
    # The OCSP responder for others that meet these certificates, which name it. The gate itself asks the database
    # whether a client is revoked, at every request: hsmgate pki revoke binds the next one.
    listen: '{responder}'
"""


def application_yml(key_store_password: str, responder: str) -> str:
    """The text of application-local.yml; the password has only letters and digits, which need no escaping.

    `responder`: host:port where it listens.
    """
    return _APPLICATION_YML.format(password=key_store_password, responder=responder)
