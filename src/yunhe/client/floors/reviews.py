"""Checks of certified datasets, by people and by rules, and what is shown of a dataset."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import reviews as wire
from yunhe.client.wire.operations import Operation
from yunhe.kernel.language import Language


class Reviews(Floor):
    """Reviews."""

    def open(self, sent: wire.NewReview, *, key: str = "") -> wire.ReviewInFull:
        """Open a review by people; the dataset's own digest says what is looked at."""
        return self._http.post("/v1/reviews", wire.ReviewInFull, sent, key=key)

    def check(self, sent: wire.NewCheck, *, key: str = "") -> Operation:
        """Check a tenth of a dataset by rules; wait for the operation's end."""
        return self._http.post("/v1/checks", Operation, sent, key=key)

    def listed(self) -> Iterator[wire.Review]:
        """Reviews one's organisation holds or was asked into, newest first."""
        return self._http.pages("/v1/reviews", wire.Review)

    def get(self, review: str) -> wire.ReviewInFull:
        """One review; its result once it is finished."""
        return self._http.get(_at(review), wire.ReviewInFull)

    def claim(self, review: str, sent: wire.NewClaim) -> wire.Claimed:
        """Take items to judge; those one holds already come first."""
        return self._http.post(_at(review, "/claims"), wire.Claimed, sent)

    def give_back(self, review: str, sent: wire.GivenBack) -> wire.ReviewInFull:
        """Give items back unjudged."""
        return self._http.post(_at(review, "/release"), wire.ReviewInFull, sent)

    def judge(self, review: str, sent: wire.NewJudgements) -> wire.ReviewInFull:
        """Judge items one holds: all of them, or with any fault none."""
        return self._http.post(_at(review, "/judgements"), wire.ReviewInFull, sent)

    def datasheet(self, certificate: str, *, language: Language | None = None) -> bytes:
        """What a certified dataset is and what checks it had, as an HTML page."""
        path = at("/v1/certificates/{certificate}/datasheet", certificate=certificate)
        return self._http.raw(path, media_type="text/html", query={"lang": language})

    def croissant(self, certificate: str) -> bytes:
        """The same for programs, as Croissant JSON-LD."""
        path = at("/v1/certificates/{certificate}/croissant", certificate=certificate)
        return self._http.raw(path, media_type="application/octet-stream")

    def withdraw(self, review: str) -> wire.ReviewInFull:
        """Give up a review that is open; that stays on record."""
        return self._http.post(_at(review, "/withdraw"), wire.ReviewInFull)


def _at(review: str, rest: str = "") -> str:
    return at("/v1/reviews/{review}" + rest, review=review)
