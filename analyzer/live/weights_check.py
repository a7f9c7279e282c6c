"""A weight file as an oracle of names and shapes: it fits the described network, tensor by tensor."""

from pathlib import Path

from analyzer.errors import shortened
from analyzer.families.network import Network
from analyzer.live.build import build
from analyzer.live.checks import Check
from analyzer.live.weights import load_weights


def weights_check(network: Network, path: Path) -> Check:
    """How many tensors the network needs and the file gave; InvalidInput where they do not fit, with every name."""
    net = build(network, device="meta")
    loaded = load_weights(net, path)
    needed = [name for name in net.state_dict() if not name.endswith(".num_batches_tracked")]
    given = [name for name in loaded.names if not name.endswith(".num_batches_tracked")]
    return Check(
        oracle="weights file",
        tool=shortened(path.name, 40),
        quantity="tensors, by name and shape",
        ours=len(needed),
        theirs=len(given),
        difference=len(needed) - len(given),
        passed=len(needed) == len(given),
        note="; ".join(loaded.notes),
    )
