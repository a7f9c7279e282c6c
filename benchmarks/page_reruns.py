"""How long the server takes to answer a changed widget: Streamlit's AppTest runs the pages' scripts, one session.

`python -m benchmarks.page_reruns` prints, for each network, the median of each change in milliseconds: the first time
(with empty caches) and again (as after another visitor with the same choice), elapsed and computed. On a busy
machine only the computed time is meaningful.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from streamlit.testing.v1 import AppTest

from analyzer.pages.explore.spec_form import FORM_KEY

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ("resnet152", "densenet264")
Change = Callable[[AppTest], AppTest]

CHANGES: dict[str, Change] = {
    "pick the network": lambda app: (
        synced_widget(app.text_input, "variant").set_value(app.session_state["asked"]).run()
    ),
    "input size 320x256": lambda app: app.text_input(key="input_size").set_value("320x256").run(),
    "input size 224": lambda app: app.text_input(key="input_size").set_value("").run(),
    "batch 8": lambda app: app.number_input(key="batch").set_value(8).run(),
    "level stage": lambda app: app.segmented_control(key="level").set_value("stage").run(),
    "level block": lambda app: app.segmented_control(key="level").set_value("block").run(),
    "shade by MACs": lambda app: app.selectbox(key="heat").set_value("macs").run(),
    "look inside stage 3": lambda app: app.selectbox(key="part").set_value("stage3").run(),
    "exact numbers": lambda app: app.toggle(key="exact").set_value(True).run(),
    "another block": lambda app: app.selectbox(key="part").set_value(app.selectbox(key="part").options[3]).run(),
    "open the form": lambda app: _form(app, is_open=True),
    "num_classes 10": lambda app: _classes(app, 10),
    "num_classes 1000": lambda app: _classes(app, 1000),
    "close the form": lambda app: _form(app, is_open=False),
    "level network": lambda app: app.segmented_control(key="level").set_value("network").run(),
    "no part": lambda app: app.selectbox(key="part").set_value(None).run(),
    "rounded numbers": lambda app: app.toggle(key="exact").set_value(False).run(),
    "no shade": lambda app: app.selectbox(key="heat").set_value(None).run(),
    "batch 1": lambda app: app.number_input(key="batch").set_value(1).run(),
    "back to resnet50": lambda app: synced_widget(app.text_input, "variant").set_value("resnet50").run(),
}


def synced_widget(widgets: Iterable[Any], name: str) -> Any:
    """The widget that follows under a name; its key ends in a counter."""
    return next(widget for widget in widgets if str(widget.key).rpartition("-")[0] == name)


def _form(app: AppTest, *, is_open: bool) -> AppTest:
    app.session_state[FORM_KEY] = is_open
    return app.run()


def _classes(app: AppTest, count: int) -> AppTest:
    changed: AppTest = synced_widget(app.number_input, f"field-{_family(app)}-num_classes").set_value(count).run()
    return changed


def _family(app: AppTest) -> str:
    return "densenet" if "densenet" in str(synced_widget(app.text_input, "variant").value) else "resnet"


class ChangeTimes(NamedTuple):
    """Milliseconds of one change: waited, and computed by this process and the renderer's."""

    waited: float
    computed: float


def _clock() -> ChangeTimes:
    used = os.times()
    return ChangeTimes(1000 * time.perf_counter(), 1000 * sum(used[:4]))


def _round(app: AppTest, network: str) -> dict[str, ChangeTimes]:
    app.session_state["asked"] = network
    times = {}
    for title, change in CHANGES.items():
        start = _clock()
        change(app)
        end = _clock()
        assert not app.exception, title
        times[title] = ChangeTimes(end.waited - start.waited, end.computed - start.computed)
    return times


def _line(title: str, first: Iterable[ChangeTimes], again: Iterable[ChangeTimes]) -> str:
    """A line of the table: the medians of both, elapsed and computed."""
    cells = [statistics.median(figures) for times in (first, again) for figures in zip(*times, strict=True)]
    return f"{title:24}" + "".join(f"{cell:10.0f}" for cell in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is run again (5)")
    options = parser.parse_args()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians in ms")
    for network in NETWORKS:
        first = _round(app, network)
        again = [_round(app, network) for _ in range(options.rounds)]
        print(f"\n{network:24}{'first':>10}{'cpu':>10}{'again':>10}{'cpu':>10}")
        for title in CHANGES:
            print(_line(title, [first[title]], [times[title] for times in again]))
        print(_line("all", first.values(), [times for round_times in again for times in round_times.values()]))


if __name__ == "__main__":
    main()
