"""Results that are cached with their object. Oracle: closed form, by counting how often they are computed."""

import pickle
from dataclasses import replace
from threading import Barrier, Thread

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory_budget import largest_batch
from analyzer.cost.tensor_lifetimes import tensor_lifetimes
from analyzer.graph.memo import memoized_per_object

worked_out: list[int] = []


@memoized_per_object
def scaled(analysis: Analysis, factor: int, *, more: int = 0) -> list[int]:
    worked_out.append(factor)
    return [analysis.params * factor + more]


def test_a_result_is_worked_out_once_for_an_object_and_the_same_arguments() -> None:
    worked_out.clear()
    first, twin = analyze("resnet18"), analyze("resnet18")
    assert first == twin
    assert scaled(first, 2) is scaled(first, 2)
    assert scaled(first, 2) is not scaled(twin, 2)  # equal, but another object
    assert scaled(first, 2, more=1) == [2 * first.params + 1]
    assert worked_out == [2, 2, 2]
    assert scaled.__name__ == "scaled"


def test_results_neither_travel_nor_pass_to_a_changed_copy() -> None:
    analysis = analyze("resnet18")
    known = tensor_lifetimes(analysis), largest_batch(analysis, 2**30)
    there = pickle.loads(pickle.dumps(analysis))
    assert "_results" in vars(analysis)
    assert "_results" not in vars(there)
    assert "_results" not in vars(replace(analysis))
    assert there == analysis
    assert (tensor_lifetimes(there), largest_batch(there, 2**30)) == known


def test_threads_that_meet_share_one_result() -> None:
    analysis, start, results = analyze("resnet18"), Barrier(4), list[list[int]]()

    @memoized_per_object
    def slow(analysis: Analysis) -> list[int]:
        start.wait(timeout=60)  # every thread is inside before any has a result
        return [analysis.params]

    threads = [Thread(target=lambda: results.append(slow(analysis))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result is results[0] for result in results)
