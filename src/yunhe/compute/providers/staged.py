"""What distant schedulers have in common that are handed jobs through a folder both sides see."""

from __future__ import annotations

from yunhe.compute.providers.staging import Staging
from yunhe.compute.utilisation.domain import Watch


class Staged:
    """A site with a name, whose staging says what it takes."""

    def __init__(self, name: str, staging: Staging) -> None:
        """``staging``: the folder, and what may run there."""
        self._name = name
        self._staging = staging
        self.watch: Watch | None = None
        """Who knows of the use of its devices; the site's settings say."""

    @property
    def adapter(self) -> str:
        """The site's name."""
        return self._name

    @property
    def images(self) -> tuple[str, ...]:
        """Registries whose images it runs."""
        return self._staging.images

    @property
    def refuses(self) -> tuple[str, ...]:
        """What it takes no work with."""
        return self._staging.refuses
