"""Measured latency on a real GPU; skipped where there is none.

Nothing here depends on how long anything takes, but that a graph of a tiny network is not slower than its launches.
"""

from pathlib import Path

import pytest
import torch

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import Unavailable
from analyzer.latency.records.record import Measurement, read_measurement
from analyzer.latency.run_settings import PRECISIONS, Effort, RunSettings, grid
from analyzer.live.timing.cuda import CapturedGraphs, CudaDevice
from analyzer.live.timing.timed_run import master_network, prepare_timed_run
from analyzer.live.timing.timing import measure_latencies

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

QUICK = Effort(num_warm_iter=3, num_bench_iter=50, reference=None, cudnn_benchmark=False)


def taken(*cells: RunSettings, variant: str = "resnet18", size: int = 64) -> Measurement:
    return measure_latencies([variant], cells, device="cuda", input_size=size, effort=QUICK)


def test_every_precision_and_layout_has_a_valid_record(tmp_path: Path) -> None:
    """Reference: JSON Schema, as the reader applies it; the output of each is eager float32's within rounding."""
    cells = grid(["inference"], ["contiguous", "channels_last"], PRECISIONS, [2], ["eager"])
    found = taken(*cells)
    found.save(tmp_path / "record.json")
    assert len(read_measurement(tmp_path / "record.json").records) == len(cells)
    assert [record.settings for record in found.records] == list(cells)
    assert [record.settings for record in found.records if not (record.output and record.output.agrees)] == []
    assert all(record.conditions.clock == "cuda events" for record in found.records)


@pytest.mark.parametrize("variant", ["resnet18", "densenet:depths=2-2,growth_rate=8,init_features=16"])
@pytest.mark.parametrize("precision", ["float32", "amp"])
def test_a_graph_gives_the_same_output_by_parts(variant: str, precision: str) -> None:
    """Reference output: eager float32; every stage has a graph of its own."""
    (found,) = taken(
        RunSettings.from_words(execution="cuda_graph", batch_size=4, precision=precision), variant=variant
    ).records
    assert found.output is not None
    assert found.output.agrees
    stages = [row.stage for row in analyzer.analyze(variant).stages]
    assert [stage.label for stage in found.stages] == stages
    assert all(stage.median_ms > 0 for stage in found.stages)


def test_graphs_by_parts_compute_the_whole() -> None:
    """Reference output: the whole's graph, up to kernels that add in any order."""
    device, analysis = CudaDevice("cuda:0"), analyze("resnet18", 64)
    images = torch.randn(2, 3, 64, 64, device="cuda:0")
    job = prepare_timed_run(
        master_network(analysis, device),
        analysis,
        RunSettings.from_words(execution="cuda_graph", batch_size=2, precision="float16", layout="channels_last"),
        device,
        images,
    )
    captured = job.captured
    assert isinstance(captured, CapturedGraphs)
    del images
    torch.full((2**26,), float("nan"), device="cuda:0")  # lies where weights and input were, if they were given up
    whole = captured.run().clone()
    with torch.inference_mode():
        captured.parts_output.fill_(float("nan"))
    captured.run_parts()
    device.spans_ms()
    assert torch.isfinite(whole).all()
    assert torch.allclose(captured.parts_output, whole, rtol=1e-3, atol=1e-3 * float(whole.abs().max()))


def test_captures_follow_each_other_and_a_failed_one() -> None:
    """Measured: graphs of one pool, each dropped before the next; after a capture that fails, all goes on."""
    device = CudaDevice("cuda:0")
    images = torch.ones(4, device="cuda:0")
    for factor in range(3):
        captured = device.capture(lambda _, factor=factor: images * factor, 0)  # type: ignore[misc]
        assert captured.run().tolist() == [float(factor)] * 4
        del captured
    with pytest.raises(Unavailable, match="a CUDA graph cannot be made"):
        device.capture(lambda _: images * images.sum().item(), 0)
    assert torch.randn(2, device="cuda:0").isfinite().all()
    assert device.capture(lambda _: images + 1, 0).run().tolist() == [2.0] * 4
    device.release()
    assert device.capture(lambda _: images + 2, 0).run().tolist() == [3.0] * 4


def test_eager_execution_is_held_against_a_graph() -> None:
    """Measured: at batch size 1 and 64×64 a host launches more slowly than a GPU computes."""
    (found,) = taken(RunSettings()).records
    assert found.host is not None
    assert found.host.graph_ms is not None
    assert found.host.host_bound
    assert found.queued is not None


def test_training_has_its_three_parts() -> None:
    """Closed form: forward, backward, optimizer in eager execution; as a graph the step is one."""
    eager, graph = taken(*grid(["training"], ["contiguous"], ["amp"], [4], ["eager", "cuda_graph"])).records
    assert [stage.label for stage in eager.stages] == ["forward", "backward", "optimizer"]
    assert graph.stages == ()
    assert eager.run_memory_bytes


def test_the_state_of_the_gpu_is_recorded() -> None:
    """Measured: clocks, power, temperature and throttle reasons by NVML, where nvidia-ml-py is there."""
    pytest.importorskip("pynvml")
    (found,) = taken(RunSettings()).records
    assert {"sm_clock_mhz", "power_w", "temperature_c", "throttle_reasons", "other_processes"} <= found.after.keys()
    assert found.conditions.machine["driver"]


def test_compiled_networks_agree() -> None:
    """Reference output: eager float32; the first run's time, with compilation, is told apart."""
    (found,) = taken(RunSettings.from_words(execution="compiled", batch_size=2)).records
    assert found.output is not None
    assert found.output.agrees
    assert found.warm_up.first_run_s > found.network.median_ms / 1000


def test_too_large_a_batch_is_one_sentence_and_the_rest_is_measured(tmp_path: Path) -> None:
    """Measured: 65,536 images of 512×512 need more than a GPU has."""
    with pytest.raises(Unavailable, match=r"out of memory with resnet18 at batch size 65536.*lower the batch size"):
        analyzer.measure_latency("resnet18", device="cuda", batch_size=65_536, input_size=512, reference=None)
    arguments = ["latency", "resnet18", "--device", "cuda", "--batch-size", "65536,1", "--input-size", "512"]
    assert main([*arguments, "--num-bench-iter", "50", "--reference", "none", "--save-to", str(tmp_path)]) == 2
    (path,) = tmp_path.iterdir()
    found = read_measurement(path)
    assert [record.batch_size for record in found.records] == [1]
    assert [failure.settings.batch_size for failure in found.failures] == [65_536]


def test_cold_caches_are_flushed() -> None:
    """Measured: the buffer is twice the L2 cache, and a record says that it was written."""
    device = CudaDevice("cuda:0")
    device.flush()
    assert device._flusher is not None
    assert device._flusher.numel() == 2 * (device.cache_bytes() or 0)
    (found,) = taken(RunSettings()).records
    assert found.caches == "flushed"
