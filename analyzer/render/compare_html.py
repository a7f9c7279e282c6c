"""Networks side by side as one self-contained HTML page: the markdown's content and the chart."""

import re
from html import escape

from analyzer.render.compare import Compared, answers, command, details, heading
from analyzer.render.html import page, rendered


def compare_page(found: Compared) -> str:
    """The page: nothing to fetch, nothing to run."""
    title = escape(re.sub(r"\\(.)", r"\1", heading(found)))
    first, *rest = answers(found)
    folded = "".join(
        f"<details><summary>{escape(title)}</summary>\n{rendered(content)}</details>\n"
        for title, content in details(found)
    )
    chart = f'<figure><div class="wide" tabindex="0" role="region" aria-label="Chart">{found.svg}</div></figure>\n'
    reasons = rendered("\n\n".join(rest))
    body = (
        f"<main>\n<article>\n<h1>{title}</h1>\n{rendered(first)}{chart}{reasons}{folded}"
        f"<footer>Made by <code>{escape(command(found))} --format html</code></footer>\n</article>\n</main>"
    )
    return page(title, body)
