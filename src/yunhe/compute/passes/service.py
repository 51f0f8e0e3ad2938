"""The face of passes, for the floors above: what the operator says and keeps."""

from __future__ import annotations

from yunhe.compute.passes.domain import Weight
from yunhe.compute.passes.journal import keep, write
from yunhe.compute.passes.store import unblock
from yunhe.compute.passes.weighing import weigh, weights

__all__ = ["Weight", "keep", "unblock", "weigh", "weights", "write"]
