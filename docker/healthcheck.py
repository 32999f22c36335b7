"""`python docker/healthcheck.py URL`: exit status 0 if a GET of URL answers 200, else 1 with the reason.

The image has no curl, and this needs nothing but the standard library.
"""

import http.client
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 3.0  # below the health check's own timeout, so that the reason is still printed
MAX_REASON_BYTES = 500


def check(url: str) -> str | None:
    """None if the answer is 200, else what was wrong."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return f"{url!r} is not an http:// address"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(MAX_REASON_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {type(error).__name__}: {error}"
    finally:
        connection.close()
    return None if answer.status == 200 else f"{url}: {answer.status} {body}"


def main(arguments: list[str]) -> int:
    """Check one address, or several that must all be fine."""
    if not arguments:
        print("usage: python docker/healthcheck.py URL...", file=sys.stderr)
        return 2
    reasons = [reason for reason in map(check, arguments) if reason is not None]
    for reason in reasons:
        print(reason, file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
