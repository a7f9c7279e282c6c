"""The host's cost a kernel, measured on torch's meta device."""

from analyzer import predict_latency
from analyzer.live.timing.host_cost import measure_host_cost


def test_a_hosts_cost_is_measured_without_a_gpu() -> None:
    """Bounds that any machine keeps: Python needs over a microsecond a call, and not a second."""
    cost = measure_host_cost("resnet20_cifar", num_bench_iter=3)
    assert 1 < cost < 1e6
    found = predict_latency("resnet18", device="T4", host_us=cost)
    assert found.host_ms > 0
