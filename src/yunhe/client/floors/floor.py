"""What the routes of every floor share: the connection they go over."""

from __future__ import annotations

from yunhe.client.http import Connection


class Floor:
    """Part of a `Client`; made by it alone."""

    def __init__(self, http: Connection) -> None:
        """``http`` is shared by all floors."""
        self._http = http
