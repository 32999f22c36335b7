"""Before the worker starts: topics and rights. A Faust worker without them is idle for ever and looks healthy."""

import asyncio
import logging
from collections.abc import Sequence

from runtime.logs import kv
from runtime.settings import KafkaSettings
from streams.admin import Admin, AdminError, PreflightError
from streams.agent.exits import Exit, end_process
from streams.wire.topics import dead_letter_topic

log = logging.getLogger(__name__)


async def preflight(settings: KafkaSettings, group: str, consumed: Sequence[str], produced: Sequence[str]) -> None:
    """Return when the broker answers and all is right; else the process ends with a line that says what is wrong."""
    topics = [*consumed, *produced, *[dead_letter_topic(topic) for topic in consumed]]
    try:
        await asyncio.get_running_loop().run_in_executor(None, lambda: Admin(settings).preflight(topics, group))
    except PreflightError as error:
        end_process(Exit.MISCONFIGURED, str(error))
    except AdminError as error:
        end_process(Exit.FAILED, str(error))
    log.info(kv("preflight passed", group=group, bootstrap=settings.bootstrap, topics=len(topics)))
