"""Ask a process over HTTP whether it is ready, and remember why it is not."""

import httpx

ANSWER_TIMEOUT_S = 2.0
MAX_REASON = 500


class HttpProbe:
    """GET of one address: 200 is ready."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reason = "it was never asked"

    def is_ready(self) -> bool:
        """Ask now; never raises."""
        try:
            # No proxy of the environment: the address is ours, on loopback.
            answer = httpx.get(self._url, timeout=ANSWER_TIMEOUT_S, trust_env=False)
        except httpx.HTTPError as error:
            self._reason = f"{self._url}: {error}"
            return False
        self._reason = f"{self._url} answers {answer.status_code} {answer.text[:MAX_REASON].strip()}"
        return answer.status_code == 200

    def why_not(self) -> str:
        """What the last answer was."""
        return self._reason
