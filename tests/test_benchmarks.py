"""The benchmark's tables and peers.

Oracles: pycls's published complexity of ResNet-50, and tables worked out by hand from a record of three samples.
"""

import ast

from analyzer.sweep.space.space import Space
from benchmarks import sweep
from benchmarks.closed_form import resnet50
from benchmarks.peers import PEERS, Peer
from benchmarks.table import markdown

TAKEN = {"analyzer report resnet50": [1.0, 2.0, 3.0], "torchinfo, a script": [10.0, 10.0, 10.0]}
CALLS = {"analyzer.analyze": [2.0, 2.0, 2.0], "torchinfo": [200.0, 300.0, 400.0]}
RECORD = {
    "conditions": {
        "date": "today",
        "processor": "P",
        "cores": 2,
        "system": "S",
        "python": "3",
        "versions": {"torch": "2"},
    },
    "rounds": 3,
    "absent": {"thop": "not installed: thop"},
    "seconds": TAKEN,
    "mebibytes": {name: [20.0, 30.0, 25.0] for name in TAKEN},
    "milliseconds": {"from the name": CALLS, "network in memory": CALLS},
}


def test_the_closed_form_counts_what_pycls_publishes() -> None:
    """Published: pycls dev/model_complexity.json, R-50: flops with the classifier's bias, acts with the max pool."""
    assert resnet50()[2:] == (4_089_185_256, 25_557_032, 11_315_688)


def test_the_tables_say_medians_quartiles_ratios_and_what_is_absent() -> None:
    """By hand: 10/1, 10/2 and 10/3 have the median 5; 200/2, 300/2, 400/2 have 150."""
    lines = markdown(RECORD).splitlines()
    assert "| `analyzer report resnet50` | 2.00 (1.50 to 2.50) | 5.00 × | 25 MiB |" in lines
    assert "| torchinfo | 300 (250 to 350) | 150 × | 300 (250 to 350) | 150 × |" in lines
    assert "| thop, a script | not installed: thop | – | – |" in lines
    assert "| thop | not installed: thop | – | – | – |" in lines


def test_depth_is_told_as_the_time_of_an_op() -> None:
    """By hand: 1 ms for 10 ops is 0.1 ms each, 12 ms for 100 is 0.12."""
    depths = {
        "resnet20_cifar": {"ops": 10, "milliseconds": [1.0, 1.0, 1.0]},
        "resnet1202_cifar": {"ops": 100, "milliseconds": [12.0, 12.0, 12.0]},
    }
    lines = markdown(RECORD | {"deep": CALLS, "depths": depths}).splitlines()
    assert "| `resnet1202_cifar` | 100 | 12.0 (12.0 to 12.0) | 1.20 × |" in lines
    assert "| torchinfo | 300 (250 to 350) | 150 × |" in lines


def test_the_sweep_tables_say_rates_and_whole_processes() -> None:
    """By hand: 2/4, 3/4 and 1/8 have the median 0.5; 10⁶ candidates in 2 seconds are 500,000 a second."""
    record = {
        "conditions": RECORD["conditions"],
        "rounds": 3,
        "rates": {sweep.OURS: [4e6, 4e6, 8e6], "analyzer.analyze": [2e6, 3e6, 1e6]},
        "wholes": {"1000000": {"seconds": 2.0, "mebibytes": 70.4}},
    }
    lines = sweep.markdown(record).splitlines()
    assert "| analyzer.analyze | 2,000,000 (1,500,000 to 2,500,000) | 2.00 × |" in lines
    assert "| 1,000,000 candidates | 2.0 | 500,000 | 70 MiB |" in lines


def test_the_swept_spaces_have_as_many_candidates_as_they_say() -> None:
    for power in sweep.SCALES:
        assert Space.from_toml(sweep.space_text(power)).size == 10**power


def test_every_peer_is_a_script_that_counts() -> None:
    for peer in PEERS:
        defined = {node.name for node in ast.walk(ast.parse(peer.script)) if isinstance(node, ast.FunctionDef)}
        assert defined == {"ready", "count"}, peer.name


def test_a_package_that_is_not_there_is_missing() -> None:
    peer = Peer(name="none", packages=("json", "no_such_package_here"), count="")
    assert peer.missing == ("no_such_package_here",)
