"""Change of the model while a server runs: on SIGHUP, or when a new run is finished."""

import asyncio
from typing import TYPE_CHECKING

from penstroke.errors import PenstrokeError, RunError
from penstroke.serve.log import log
from penstroke.serve.processes import Template
from penstroke.serve.settings import Settings
from penstroke.serve.template import Source

if TYPE_CHECKING:
    from penstroke.serve.metrics import Metrics
    from penstroke.serve.pool import Pool

WATCH_SECONDS = 2.0
"""Seconds between two looks for a new run."""


class Reloader:
    """Loads a new model beside the one in use, checks it, and swaps it in; a model that fails is rejected and reported.

    Args:
        pool: uses the model.
        settings: whether new runs are loaded.
        metrics: counts loaded and rejected models.
    """

    def __init__(self, pool: "Pool", settings: Settings, metrics: "Metrics") -> None:
        self._pool, self._settings, self._metrics = pool, settings, metrics
        self._requested = asyncio.Event()
        self._rejected = ""

    def request(self) -> None:
        """Load the model again, soon."""
        self._requested.set()

    async def run(self) -> None:
        """Load models when that is requested or a run is finished, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._requested.wait(), WATCH_SECONDS if self._settings.watch else None)
            except TimeoutError:
                if newest := await self._new_run():
                    await self.load(newest)
                continue
            self._requested.clear()
            newest = await self._new_run() if self._settings.watch else ""
            await self.load(newest or self._pool.model["source"])

    async def load(self, source: str) -> bool:
        """Load a model and use it, and return whether it was accepted."""
        classes = tuple(self._pool.model["description"]["classes"])
        template = Template(Source(source, self._settings.device, self._settings.max_pixels, classes))
        try:
            await template.load()
            await self._pool.use(template)
        except (PenstrokeError, ConnectionError) as error:
            template.close()
            self._rejected = source
            self._metrics.reload("rejected")
            log("model rejected", "error", source=source, error=str(error))
            return False
        self._metrics.reload("loaded")
        log("model loaded", source=source, seconds=template.model["load_seconds"])
        return True

    async def _new_run(self) -> str:
        """Return the latest finished run if it is another one than that in use."""
        found = await asyncio.get_running_loop().run_in_executor(None, _latest_finished)
        return found if found not in ("", self._pool.model.get("source"), self._rejected) else ""


def _latest_finished() -> str:
    from penstroke import runs

    try:
        run = runs.latest()
        return str(run.path) if run.record.state == "finished" else ""
    except RunError:
        return ""
