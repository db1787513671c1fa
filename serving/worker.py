"""gunicorn's worker class of trially. The worker process loads what it does: `serving/loop.py`."""

from typing import Any

from gunicorn.workers.base import Worker as BaseWorker

from serving.garbage import collect_rarely
from serving.limits import LimitError, read_limits
from serving.slots import shared_slots


class Worker(BaseWorker):  # type: ignore[misc]
    """A worker: a process, and until it has been forked, what the master knows of it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.slots = shared_slots()
        self.slot = self.slots.assign(self)
        self.is_replacement = False
        """It takes no connections before its app is ready, because other workers serve."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Stop the start if a setting is invalid, or is one that this worker does not support."""
        try:
            read_limits()
        except LimitError as error:
            log.critical("trially cannot start. %s", error)
            raise SystemExit(1) from None
        for is_set, name in ((cfg.is_ssl, "TLS"), (cfg.proxy_protocol != "off", "PROXY protocol")):
            if is_set:
                log.critical("trially's worker does not support %s. Use a proxy that does.", name)
                raise SystemExit(1)

    def run(self) -> None:
        """Serve until SIGTERM, then finish."""
        from serving.loop import Loop

        collect_rarely()
        Loop(self).run()
