"""What a URL of spring.datasource says of a server, and that it is never taken for less than it says."""

from pathlib import Path

import pytest

from hsmgate.adapters.sql.location import Server, locate
from hsmgate.errors import Failure, Reason

FOLDER = Path("/nowhere")
CA = "serverSslCert=/etc/ca.pem"


def server(url: str, username: str | None = None, password: str | None = None) -> Server:
    found = locate(url, username, password, FOLDER)
    assert isinstance(found, Server)
    return found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jdbc:mariadb://db:3307/securosys?sslMode=false", "mariadb://db:3307/securosys"),
        ("jdbc:mysql://db/securosys?useSSL=false", "mariadb://db:3306/securosys"),
        ("JDBC:MariaDB://127.0.0.1/x", "mariadb://127.0.0.1:3306/x"),
        ("mariadb+pymysql://[::1]:3307/x", "mariadb://[::1]:3307/x"),
        ("mysql+pymysql://localhost/a%20b?charset=utf8mb4", "mariadb://localhost:3306/a b"),
        ("jdbc:postgresql://localhost/x", "postgresql://localhost:5432/x"),
        ("postgresql+psycopg://db:6000/x?sslmode=disable", "postgresql://db:6000/x"),
        ("postgres://localhost/x", "postgresql://localhost:5432/x"),
        (
            "jdbc:mysql://localhost/x?useUnicode=true&characterEncoding=utf8&serverTimezone=UTC&autoReconnect=true",
            "mariadb://localhost:3306/x",
        ),
    ],
)
def test_a_url_names_a_server(url: str, said: str) -> None:
    assert str(server(url)) == said


@pytest.mark.parametrize(
    "url",
    [
        "mariadb+pymysql://me:s%40cr%2Ft@localhost/x",
        "jdbc:mariadb://localhost/x?user=me&password=s%40cr%2Ft",
        "jdbc:postgresql://localhost/x?user=me&password=s%40cr%2Ft",
    ],
)
def test_user_and_password_may_stand_in_the_url(url: str) -> None:
    found = server(url)
    assert (found.username, found.password) == ("me", "s@cr/t")
    assert "s@cr/t" not in repr(found)
    assert "s@cr/t" not in str(found)
    assert server(url, "me", "s@cr/t") == found
    with pytest.raises(Failure, match="another password") as caught:
        server(url, "me", "other")
    assert "s@cr/t" not in str(caught.value)
    assert "other " not in str(caught.value).replace("another ", "")


@pytest.mark.parametrize(
    ("product", "query", "level", "authorities"),
    [
        ("mariadb", "sslMode=disable", "off", None),
        ("mariadb", "sslMode=false", "off", None),
        ("mariadb", "sslMode=DISABLED", "off", None),
        ("mariadb", "sslMode=trust", "trust", None),
        ("mariadb", "sslMode=REQUIRED", "trust", None),
        ("mariadb", f"sslMode=verify-ca&{CA}", "verify-ca", "/etc/ca.pem"),
        ("mariadb", "sslMode=verify-full", "verify-full", None),
        ("mariadb", "sslMode=VERIFY_IDENTITY&serverSslCert=file:/etc/ca.pem", "verify-full", "/etc/ca.pem"),
        ("mariadb", "sslMode=true", "verify-full", None),
        ("mariadb", "useSSL=false", "off", None),
        ("mariadb", "useSsl=true", "verify-full", None),
        ("mariadb", "requireSSL=true", "verify-full", None),
        ("mariadb", "useSSL=true&requireSSL=true&verifyServerCertificate=true", "verify-full", None),
        ("mariadb", "useSSL=true&verifyServerCertificate=false", "trust", None),
        ("mariadb", "useSSL=true&trustServerCertificate=true", "trust", None),
        ("mariadb", f"useSSL=true&disableSslHostnameVerification=true&{CA}", "verify-ca", "/etc/ca.pem"),
        ("mariadb", f"useSSL=true&trustServerCertificate=false&{CA}", "verify-full", "/etc/ca.pem"),
        ("postgresql", "sslmode=disable", "off", None),
        ("postgresql", "ssl=false", "off", None),
        ("postgresql", "sslmode=require", "trust", None),
        ("postgresql", "sslmode=require&sslrootcert=/etc/ca.pem", "verify-ca", "/etc/ca.pem"),
        ("postgresql", "sslmode=verify-ca&sslrootcert=/etc/ca.pem", "verify-ca", "/etc/ca.pem"),
        ("postgresql", "ssl=true&sslrootcert=/etc/ca.pem", "verify-full", "/etc/ca.pem"),
    ],
)
def test_what_is_asked_of_tls(product: str, query: str, level: str, authorities: str | None) -> None:
    found = server(f"jdbc:{product}://db.example/x?{query}").protected
    assert (found.level, found.authorities) == (level, None if authorities is None else Path(authorities))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jdbc:mariadb://db/x", "say how its connection is protected"),
        ("postgresql://10.0.0.1/x", "say how its connection is protected"),
        ("postgresql://db/x?sslmode=prefer", "by chance"),
        ("postgresql://localhost/x?sslmode=allow", "by chance"),
        ("jdbc:mysql://db/x?sslMode=PREFERRED", "by chance"),
        ("jdbc:mariadb://db/x?sslMode=secret", "sslMode is one of"),
        ("jdbc:mariadb://db/x?useSSL=secret", "neither true nor false"),
        ("jdbc:mariadb://db/x?useSSL=true&sslMode=disable", "keep one"),
        ("jdbc:mariadb://db/x?useSSL=false&requireSSL=true", "off and asks for TLS"),
        (f"jdbc:mariadb://db/x?sslMode=disable&{CA}", "off and asks for TLS"),
        (f"jdbc:mariadb://db/x?sslMode=trust&{CA}", "to trust everybody"),
        ("jdbc:mariadb://db/x?sslMode=verify-full&serverSslCert=ca.pem", "from the root"),
        ("postgresql://db/x?sslmode=verify-full", "needs sslrootcert=FILE"),
        ("postgresql://db/x?ssl=true", "needs sslrootcert=FILE"),
        ("jdbc:mariadb://db/x?secret=1&sslMode=disable", "has no meaning here; there are sslMode"),
        ("jdbc:postgresql://db/x?sslfactory=secret&ssl=false", "has no meaning here; there are sslmode"),
        ("jdbc:mariadb://db/x?sslMode=disable&sslmode=verify-full", "twice"),
        ("jdbc:mariadb://one,two/x?sslMode=disable", "takes one host"),
        ("jdbc:mariadb://one:1,two:2/x?sslMode=disable", "takes one host|not understood"),
        ("jdbc:mariadb:replication://one/x", "one server is expected"),
        ("jdbc:postgresql:secret", "one server is expected"),
        ("jdbc:mariadb:///x", "takes one host"),
        ("jdbc:mariadb://localhost", "names no database"),
        ("jdbc:mariadb://localhost/", "names no database"),
        ("jdbc:mariadb://localhost/x/y", "names no database"),
        ("jdbc:mariadb://localhost:secret/x", "not understood"),
        ("jdbc:mariadb://[::1/x", "not understood"),
        ("postgresql+psycopg2://u:secret@localhost/x", "the driver is psycopg"),
        ("mysql+mysqldb://u:secret@localhost/x", "the driver is pymysql"),
        ("jdbc:postgresql://localhost/x?currentSchema=a,secret", "currentSchema takes one name"),
        ("jdbc:mariadb://localhost/x?currentSchema=secret", "has no meaning here"),
    ],
)
def test_what_is_unclear_is_refused_in_one_line(url: str, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        locate(url, "sa", "secret", FOLDER)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_schema_is_named() -> None:
    assert server("jdbc:postgresql://localhost/x?currentSchema=gate").schema == "gate"
