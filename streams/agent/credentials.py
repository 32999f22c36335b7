"""Kafka settings as Faust wants them: broker URLs and one credentials object for consumer and producer."""

import ssl
from typing import Any

import faust

from runtime.settings import KafkaSettings


def broker_urls(settings: KafkaSettings) -> list[str]:
    """`kafka://host:port` for each bootstrap server."""
    return [f"kafka://{server.strip()}" for server in settings.bootstrap.split(",") if server.strip()]


def credentials(settings: KafkaSettings) -> Any:  # Any: Faust has no types
    """None without security. A ready TLS context always: Faust's own shortcut for one raises (measured)."""
    protocol = settings.security_protocol
    context = tls_context(settings) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password,
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker's name; with a client certificate if one is set."""
    context = ssl.create_default_context(cafile=settings.ssl_ca_location)
    if settings.ssl_certificate_location:
        context.load_cert_chain(settings.ssl_certificate_location, settings.ssl_key_location)
    return context
