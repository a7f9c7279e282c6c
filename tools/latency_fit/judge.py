"""Errors of predictions on held-out rows: cross-validated, by family, and on other devices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.roofline import Efficiencies, class_of
from analyzer.latency.run_settings import RunSettings
from tools.latency_fit.arrays import Batch
from tools.latency_fit.search import (
    CPU,
    CPU_START,
    GPU,
    LARGE,
    NO_BOUND,
    ONE_DEVICE,
    START,
    TRAINING,
    FittedModel,
    calls_of,
    cpu_cases,
    fit_efficiencies,
    inference_cases,
    nvidia_cases,
)
from tools.latency_fit.tables import PublishedLatency, read_cases, training_cases

Vector = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True, slots=True)
class HeldOutErrors:
    """Held-out rows: a title, the cases, and log(predicted / published) of each."""

    title: str
    cases: list[PublishedLatency]
    errors: Vector

    @property
    def mean(self) -> float:
        """Mean absolute error in per cent."""
        return float(100 * np.mean(np.abs(np.expm1(self.errors))))

    @property
    def bias(self) -> float:
        """Mean signed error in per cent."""
        return float(100 * np.mean(np.expm1(self.errors)))

    @property
    def within(self) -> float:
        """Per cent of the rows that are off by at most 10 %."""
        return float(100 * np.mean(np.abs(np.expm1(self.errors)) <= 0.1))

    def where(self, title: str, condition: Callable[[PublishedLatency], bool]) -> "HeldOutErrors":
        """The rows that satisfy a condition, under a title."""
        chosen = [condition(case) for case in self.cases]
        return HeldOutErrors(
            title, [case for case, is_chosen in zip(self.cases, chosen, strict=True) if is_chosen], self.errors[chosen]
        )

    def calibrated_on(self, model: str) -> "HeldOutErrors":
        """The errors that remain once each table's row of that model at 224 pixels has fixed the table's factor."""
        factor = {
            case.table: error
            for case, error in zip(self.cases, self.errors, strict=True)
            if case.model == model and case.image_size == 224
        }
        rest = self.where(self.title, lambda case: case.model != model)
        return HeldOutErrors(
            self.title, rest.cases, rest.errors - np.array([factor.get(case.table, 0.0) for case in rest.cases])
        )


def fold_of(cases: Sequence[PublishedLatency]) -> dict[str, int]:
    """Model → its fold of five, all sizes of a model in one; drawn with a fixed seed."""
    models = sorted({case.model for case in cases})
    order = np.random.RandomState(0).permutation(len(models))
    return {models[index]: rank % FOLDS for rank, index in enumerate(order)}


def held_out_errors(
    cases: list[PublishedLatency], start: Efficiencies, free: Sequence[str], group: Callable[[PublishedLatency], object]
) -> Vector:
    """log(predicted / published) of every case by a fit to the other groups."""
    groups = [group(case) for case in cases]
    errors = np.zeros(len(cases))
    for left_out in sorted(set(groups), key=str):
        is_left_out = np.array([group_of_case == left_out for group_of_case in groups])
        rest = Batch([case for case, is_out in zip(cases, is_left_out, strict=True) if not is_out])
        held_out = Batch([case for case, is_out in zip(cases, is_left_out, strict=True) if is_out])
        errors[is_left_out] = held_out.errors(fit_efficiencies(rest, start, free))
    return errors


class CrossValidatedFit(NamedTuple):
    """A fit to cross-validate: its cases, its start, and the efficiencies that it may change."""

    title: str
    cases: list[PublishedLatency]
    start: Efficiencies
    free: tuple[str, ...]


def cross_validated_fits(model: FittedModel) -> list[CrossValidatedFit]:
    """The fits that are cross-validated by model name."""
    gpu = model.classes["gpu"]
    return [
        CrossValidatedFit("GPU inference", inference_cases(), gpu, GPU),
        CrossValidatedFit("training step", training_cases(), gpu, TRAINING),
        CrossValidatedFit("CPU inference", cpu_cases(), CPU_START, CPU),
    ]


def cross_validate(part: CrossValidatedFit) -> HeldOutErrors:
    """The part's rows, each predicted without any row of its model."""
    fold = fold_of(part.cases)
    return HeldOutErrors(
        part.title, part.cases, held_out_errors(part.cases, part.start, part.free, lambda case: fold[case.model])
    )


def family_left_out(part: CrossValidatedFit) -> HeldOutErrors:
    """The part's rows, each predicted without any row of its family."""
    return HeldOutErrors(
        part.title, part.cases, held_out_errors(part.cases, part.start, part.free, lambda case: case.family)
    )


def across_devices(model: FittedModel) -> list[HeldOutErrors]:
    """GPUs that are held out: each of two predicted from eager rows of the other, and those of no table."""
    results = []
    for fitted_device, predicted_device in (("RTX 3090", "RTX 4090"), ("RTX 4090", "RTX 3090")):
        rows = [case for case in inference_cases() if case.device.name == fitted_device and not case.run.compiled]
        eff = fit_efficiencies(
            Batch(rows), START._replace(norm=NO_BOUND, launch_us=model.classes["gpu"].launch_us), ONE_DEVICE
        )
        for compiled, execution in ((False, "eager"), (True, "compiled")):
            cases = [c for c in inference_cases() if c.device.name == predicted_device and c.run.compiled == compiled]
            if cases:
                results.append(
                    HeldOutErrors(
                        f"{predicted_device} {execution}, from {fitted_device} eager", cases, Batch(cases).errors(eff)
                    )
                )
    return [*results, turing(model), *hopper(model)]


def turing(model: FittedModel) -> HeldOutErrors:
    """NVIDIA's T4 from batch 64, by efficiencies of the V100."""
    cases = [case for precision in ("amp", "float32") for case in nvidia_cases("T4", precision, min_batch=LARGE)]
    return HeldOutErrors("Tesla T4 eager, from Tesla V100", cases, errors_of(cases, model))


def hopper(model: FittedModel) -> list[HeldOutErrors]:
    """Our own runs on an H100 and an H200; of them the fit knows the H100's CUDA graphs, for `launch_us`."""
    modes: dict[str, Callable[[RunSettings], bool]] = {
        "eager": lambda run: not (run.compiled or run.training or run.cuda_graph),
        "compiled": lambda run: run.compiled,
        "as a CUDA graph": lambda run: run.cuda_graph,
        "training step": lambda run: run.training,
    }
    results = []
    for name in ("H100 SXM", "H200 SXM"):
        cases_of_device = [
            case for case in read_cases("measured") if case.device.name == name and _is_device_bound(case)
        ]
        for mode, is_mode in modes.items():
            cases = [case for case in cases_of_device if is_mode(case.run)]
            results.append(HeldOutErrors(f"{name} {mode}, from GeForce cards", cases, errors_of(cases, model)))
    return [judged for judged in results if judged.title != "H100 SXM as a CUDA graph, from GeForce cards"]


def _is_device_bound(case: PublishedLatency) -> bool:
    """Whether the GPU, not the host, sets the time."""
    return case.run.batch_size >= LARGE or case.run.cuda_graph


def errors_of(cases: list[PublishedLatency], model: FittedModel, host: bool = False) -> Vector:
    """log(predicted / published) by the efficiencies of each case's class, with the host's term if `host`."""
    errors = np.zeros(len(cases))
    for index, case in enumerate(cases):
        name = "training" if case.run.training else class_of(rates(case.device, case.run.precision))
        batch = Batch([case])
        logs = batch.log_predicted(model.classes[name])[0]
        host_ms = calls_of(case) * model.host_us / 1000 if host and not case.run.cuda_graph else 1e-9
        errors[index] = max(logs, np.log(host_ms)) - batch.log_ms[0]
    return errors


def small_batches(model: FittedModel) -> list[HeldOutErrors]:
    """NVIDIA's rows up to batch 32; host cost from the V100 alone."""
    results = []
    for device in ("V100", "T4"):
        cases = [case for precision in ("float32", "amp") for case in nvidia_cases(device, precision, max_batch=32)]
        results.append(HeldOutErrors(f"Tesla {device}, batch 1 to 32", cases, errors_of(cases, model, host=True)))
    return results
