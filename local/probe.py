"""Ask a process over HTTP whether it is ready."""

import httpx

ANSWER_TIMEOUT_S = 2.0


def answers_ok(url: str) -> bool:
    """Whether a GET is answered with 200 now; never raises."""
    try:
        # No proxy of the environment: the address is ours, on loopback.
        return httpx.get(url, timeout=ANSWER_TIMEOUT_S, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
