"""A GPU's clocks, power, temperature, throttling and other processes, through NVML where it can be had."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from analyzer.latency.conditions import Facts

_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
"""NVML's bits of why clocks are not higher → its words."""


class Nvml:
    """One GPU as NVML sees it, found by its UUID; `absent` says why where NVML cannot be had."""

    def __init__(self, uuid: str, library: Any = None) -> None:
        self.absent: str | None = None
        self._uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._nvml = library
        if library is None:
            self._nvml, self.absent = _imported()

    def state(self) -> Facts:
        """Clocks in MHz, power in W, temperature in °C, throttle reasons, other processes; None where not told."""
        with self._open() as handle:
            if handle is None:
                return {"nvml": self.absent}
            return dict(self._state(handle))

    def facts(self) -> Facts:
        """Driver, power limit, highest clocks, and whether clocks are set or free."""
        with self._open() as handle:
            if handle is None:
                return {"nvml": self.absent}
            return dict(self._facts(handle))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        if self.absent is not None:
            yield None
            return
        nvml = self._nvml
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            self.absent = f"NVML cannot be had: {error}"
            yield None
            return
        try:
            yield self._handle()
        finally:
            nvml.nvmlShutdown()

    def _handle(self) -> Any:
        try:
            return self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        except self._nvml.NVMLError as error:
            self.absent = f"NVML does not know this GPU: {error}"
            return None

    def _ask(self, question: str, *arguments: Any) -> Any:
        """NVML's answer, or None where this GPU or driver gives none."""
        try:
            return getattr(self._nvml, question)(*arguments)
        except (self._nvml.NVMLError, AttributeError):
            return None

    def _state(self, handle: Any) -> Iterator[tuple[str, Any]]:
        yield "sm_clock_mhz", self._ask("nvmlDeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_SM)
        yield "memory_clock_mhz", self._ask("nvmlDeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_MEM)
        yield "power_w", _scaled(self._ask("nvmlDeviceGetPowerUsage", handle), 1000)
        yield "temperature_c", self._ask("nvmlDeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU)
        yield "performance_state", self._ask("nvmlDeviceGetPerformanceState", handle)
        yield "throttle_reasons", self._reasons(handle)
        yield "other_processes", self._others(handle)
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        yield "memory_used_bytes", None if memory is None else int(memory.used)

    def _facts(self, handle: Any) -> Iterator[tuple[str, Any]]:
        driver = self._ask("nvmlSystemGetDriverVersion")
        yield "driver", driver.decode() if isinstance(driver, bytes) else driver
        yield "power_limit_w", _scaled(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle), 1000)
        yield "max_sm_clock_mhz", self._ask("nvmlDeviceGetMaxClockInfo", handle, self._nvml.NVML_CLOCK_SM)
        yield "max_memory_clock_mhz", self._ask("nvmlDeviceGetMaxClockInfo", handle, self._nvml.NVML_CLOCK_MEM)
        reasons = self._reasons(handle)
        yield "clocks", None if reasons is None else "set" if "applications_clocks_setting" in reasons else "free"

    def _reasons(self, handle: Any) -> list[str] | None:
        asked = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        bits = next((found for name in asked if (found := self._ask(name, handle)) is not None), None)
        return None if bits is None else [word for bit, word in _REASONS.items() if bits & bit]

    def _others(self, handle: Any) -> int | None:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses", handle)
        return None if running is None else sum(process.pid != os.getpid() for process in running)


def _scaled(value: int | None, by: int) -> float | None:
    return None if value is None else round(value / by, 1)


def _imported() -> tuple[Any, str | None]:
    try:
        import pynvml
    except ModuleNotFoundError:
        return None, "nvidia-ml-py is not installed"
    return pynvml, None
