"""The live network against torchvision's own (reference output), and its manners."""


import pytest
import torch
import torchvision

import analyzer
from analyzer.families.registry import variant_names

TORCHVISION_NAMES = tuple(name for name in variant_names() if hasattr(torchvision.models, name))


def test_all_but_one_name_are_torchvisions() -> None:
    """Reference: only resnext101_32x4d has no torchvision counterpart."""
    assert set(variant_names()) - set(TORCHVISION_NAMES) == {"resnext101_32x4d"}
    assert len(TORCHVISION_NAMES) == 14


@pytest.mark.parametrize("name", TORCHVISION_NAMES)
def test_outputs_are_bitwise_torchvisions(name: str) -> None:
    """Reference output: the same weights give the same bits in eval mode."""
    reference = getattr(torchvision.models, name)().eval()
    live = analyzer.build(name).eval()
    live.load_state_dict(reference.state_dict())
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(live(image), reference(image))
