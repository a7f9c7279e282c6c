"""The speed of closed forms beside tools that run a network: whole processes, and one call, interleaved.

`python -m benchmarks.speed` measures, records every sample with its conditions in benchmarks/speed.json and writes the
README's tables from it; `--check` exits 1 where the README disagrees with speed.json, `--write` corrects that.
Needs the extra `bench` and an otherwise idle machine; a tool that is not installed is named in the tables.
"""

import argparse
import json
import sys

from benchmarks.measure import ROOT, in_process, measurements
from benchmarks.table import markdown

RECORD = ROOT / "benchmarks" / "speed.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- speed:begin -->\n", "<!-- speed:end -->\n"


def readme_with(text: str, table: str) -> str:
    """The README with the tables between its two marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{table}{END}{rest.split(END)[1]}"


def main() -> int:
    """Measure and write, or check the README; 1 where the README is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is run (9)")
    parser.add_argument("--check", action="store_true", help="compare the README with speed.json and measure nothing")
    parser.add_argument("--write", action="store_true", help="write the README from speed.json and measure nothing")
    parser.add_argument("--print", action="store_true", dest="show", help="measure and print; write nothing")
    parser.add_argument("--calls", action="store_true", help="time the calls only and print their samples as JSON")
    options = parser.parse_args()
    if options.calls:
        print(json.dumps(in_process(options.rounds)))
        return 0
    if options.show:
        print(markdown(measurements(options.rounds)))
        return 0
    if not (options.check or options.write):
        RECORD.write_text(json.dumps(measurements(options.rounds), indent=1) + "\n", encoding="utf-8")
    return _readme(options.check)


def _readme(check: bool) -> int:
    text = README.read_text(encoding="utf-8")
    expected = readme_with(text, markdown(json.loads(RECORD.read_text(encoding="utf-8"))))
    if not check:
        README.write_text(expected, encoding="utf-8")
    elif text != expected:
        print("README.md: the speed table is not what benchmarks/speed.json says; run `make bench`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
