"""The public Python interface, gathered; heavy readings are imported when they are called."""

from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable

__all__ = ["Analysis", "InvalidInput", "Unavailable", "analyze"]

if TYPE_CHECKING:
    pass
