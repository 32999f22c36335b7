"""Before the worker starts: topics and rights. A Faust worker without them is idle for ever and looks healthy."""

import asyncio
import logging
from collections.abc import Sequence

from runtime.logs import kv
from runtime.settings import KafkaSettings
from streams.admin import AccessRefused, Admin, AdminError, PreflightError
from streams.agent.exits import Exit, end_process
from streams.wire.topics import dead_letter_topic

log = logging.getLogger(__name__)

TRIES = 4  # a broker that has just started may not have its group coordinator yet
RETRY_S = 1.0


async def preflight(settings: KafkaSettings, group: str, consumed: Sequence[str], produced: Sequence[str]) -> None:
    """Return when the broker answers and all is right; else the process ends with a line that says what is wrong."""
    topics = [*consumed, *produced, *[dead_letter_topic(topic) for topic in consumed]]
    loop, admin = asyncio.get_running_loop(), Admin(settings)
    for tries_left in reversed(range(TRIES)):
        try:
            await loop.run_in_executor(None, admin.preflight, topics, group)
            break
        except AdminError as error:
            if not tries_left:
                wrong = isinstance(error, PreflightError | AccessRefused)
                status = Exit.MISCONFIGURED if wrong else Exit.FAILED
                end_process(status, str(error))
            log.warning(kv("preflight failed, trying again", error=error))
        await asyncio.sleep(RETRY_S)
    log.info(kv("preflight passed", group=group, bootstrap=settings.bootstrap, topics=len(topics)))
