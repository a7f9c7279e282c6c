"""A prediction that shows itself: its stage table in a notebook, as markdown, and in a terminal."""

from dataclasses import fields
from typing import Self

from analyzer.latency.prediction import Prediction


class ShownPrediction(Prediction):
    """A Prediction with a short `repr`, its tables as `str`, and HTML and markdown for notebooks."""

    __slots__ = ()

    @classmethod
    def of(cls, found: Prediction) -> Self:
        """The same prediction, able to show itself."""
        return cls(**{item.name: getattr(found, item.name) for item in fields(found)})

    def __repr__(self) -> str:
        from analyzer.render.prediction import device_words, interval, milliseconds

        where = f"{self.variant} on {device_words(self)}, batch {self.batch_size}"
        return f"<Prediction of {where}: {milliseconds(self)}, 90 % {interval(self)}>"

    def __str__(self) -> str:
        from analyzer.render.prediction import latency_text

        return latency_text(self)

    def _repr_markdown_(self) -> str:
        from analyzer.render.prediction import latency_section
        from analyzer.render.report import escaped

        return f"**{escaped(self.variant)} on {escaped(self.device)}, predicted**\n\n{latency_section(self)}"

    def _repr_html_(self) -> str:
        from analyzer.render.html import rendered

        return f'<div style="overflow-x:auto">{rendered(self._repr_markdown_())}</div>'
