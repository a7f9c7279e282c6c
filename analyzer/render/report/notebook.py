"""Analyses and predictions that show themselves: tables in a notebook, as markdown, and in a terminal."""

from dataclasses import fields
from typing import Self

from analyzer.cost.analysis import Analysis
from analyzer.latency.predict.prediction import Prediction
from analyzer.text.tables import escape_markdown
from analyzer.text.units import exact, shape, short


class NotebookAnalysis(Analysis):
    """An Analysis with a short `repr`, its stage table as `str`, and HTML and markdown for notebooks."""

    def __repr__(self) -> str:
        return (
            f"<Analysis of {self.variant} at {shape(self.input_shape)}: "
            f"{exact(self.params)} params, {exact(self.macs)} MACs>"
        )

    def __str__(self) -> str:
        from analyzer.render.report.report import STAGE_HEADS, stage_cells
        from analyzer.text.tables import terminal_table

        blocks = self.blocks
        rows = [stage_cells(self, stage, blocks) for stage in self.stages]
        total = ["total", "", "", exact(self.params), "", short(self.macs), "", short(self.activations), ""]
        table = terminal_table(STAGE_HEADS, [*rows, total], "lllrrrrrr")
        return f"{self.network.title}, input {shape(self.input_shape)}\n\n{table}"

    def _repr_markdown_(self) -> str:
        from analyzer.render.report.report import lead_line, stage_table

        title = f"**{escape_markdown(self.network.title)}**"
        return "\n\n".join([f"{title} · {_headline(self)}", lead_line(self), stage_table(self, self.blocks)])

    def _repr_html_(self) -> str:
        from analyzer.render.report.html import markdown_to_html

        return f'<div style="overflow-x:auto">{markdown_to_html(self._repr_markdown_())}</div>'


def _headline(analysis: Analysis) -> str:
    return f"{exact(analysis.params)} parameters · {short(analysis.macs, 4)} MACs · depth {analysis.depth}"


class NotebookPrediction(Prediction):
    """A Prediction with a short `repr`, its tables as `str`, and HTML and markdown for notebooks."""

    __slots__ = ()

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        """The same prediction, able to show itself."""
        return cls(**{item.name: getattr(prediction, item.name) for item in fields(prediction)})

    def __repr__(self) -> str:
        from analyzer.render.latency.predicted import device_words, interval_text, milliseconds_text

        where = f"{self.variant} on {device_words(self)}, batch {self.batch_size}"
        return f"<Prediction of {where}: {milliseconds_text(self)}, 90 % {interval_text(self)}>"

    def __str__(self) -> str:
        from analyzer.render.latency.predicted import predicted_text

        return predicted_text(self)

    def _repr_markdown_(self) -> str:
        from analyzer.render.latency.predicted import latency_section

        return f"**{escape_markdown(f'{self.variant} on {self.device}')}, predicted**\n\n{latency_section(self)}"

    def _repr_html_(self) -> str:
        from analyzer.render.report.html import markdown_to_html

        return f'<div style="overflow-x:auto">{markdown_to_html(self._repr_markdown_())}</div>'
