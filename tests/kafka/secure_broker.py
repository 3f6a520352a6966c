"""A real Kafka broker that lets in only who proves who he is.

Beside the plain listener, that tests look through, it has ``TLS`` (both sides have a certificate) and ``SASL`` (TLS,
with a user and a password: SCRAM-SHA-512 or PLAIN). The user ``zhiyin`` may do everything, ``guest`` nothing.
"""

from pathlib import Path
from typing import Final

from tests.kafka.broker import KafkaBroker
from tests.kafka.certificates import Authority
from tests.parts.redis_server import free_port

PASSWORD: Final = "correct-horse"
SCRAM: Final = "SCRAM-SHA-512"
_MODULE: Final = "org.apache.kafka.common.security"


class SecureBroker(KafkaBroker):
    """As ``KafkaBroker``. ``authority``: whose certificates it has and takes."""

    def __init__(self, jars: Path, directory: Path) -> None:
        self.authority = Authority(directory / "authority", "Tests of Zhiyin")
        self._server_file = self.authority.signed("server")
        self.client_file = self.authority.signed("client")
        self.tls_port = free_port()
        self.sasl_port = free_port()
        super().__init__(jars, directory)

    @property
    def tls_servers(self) -> str:
        """Where a certificate is asked for."""
        return f"127.0.0.1:{self.tls_port}"

    @property
    def sasl_servers(self) -> str:
        """Where a password is asked for."""
        return f"127.0.0.1:{self.sasl_port}"

    def tls_options(self) -> list[str]:
        """Of a client with a certificate."""
        ours = ("ssl.certificate.location", "ssl.key.location")
        return ["security.protocol=SSL", self._trust(), *(f"{name}={self.client_file}" for name in ours)]

    def sasl_options(self, mechanism: str = SCRAM, user: str = "zhiyin", password: str = PASSWORD) -> list[str]:
        """Of a client with a password."""
        said = [f"sasl.mechanism={mechanism}", f"sasl.username={user}", f"sasl.password={password}"]
        return ["security.protocol=SASL_SSL", self._trust(), *said]

    def _trust(self) -> str:
        return f"ssl.ca.location={self.authority.file}"

    def _own_properties(self, controller_port: int) -> dict[str, str]:
        plain = super()._own_properties(controller_port)
        more = f",TLS://{self.tls_servers},SASL://{self.sasl_servers}"
        return {
            **plain,
            "listeners": plain["listeners"] + more,
            "advertised.listeners": plain["advertised.listeners"] + more,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SASL:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._server_file),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "listener.name.tls.ssl.client.auth": "required",
            # Who comes with our certificate is the user zhiyin.
            "listener.name.tls.ssl.principal.mapping.rules": "RULE:^CN=client$/zhiyin/,DEFAULT",
            "listener.name.sasl.sasl.enabled.mechanisms": f"{SCRAM},PLAIN",
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{_MODULE}.scram.ScramLoginModule required;",
            "listener.name.sasl.plain.sasl.jaas.config": (
                f'{_MODULE}.plain.PlainLoginModule required user_zhiyin="{PASSWORD}" user_guest="{PASSWORD}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:zhiyin",
        }

    def _format_words(self) -> tuple[str, ...]:
        users = (f"{SCRAM}=[name={name},password={PASSWORD}]" for name in ("zhiyin", "guest"))
        return tuple(word for user in users for word in ("--add-scram", user))
