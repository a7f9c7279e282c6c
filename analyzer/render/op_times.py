"""What drawings need to tell a predicted latency: each op's time, and on what and how the network runs."""

from analyzer.cost.analysis import Analysis
from analyzer.latency.predict import predict_op_times
from analyzer.latency.target import LatencyTarget
from analyzer.render.diagram_look import OpTimes
from analyzer.render.prediction import target_words


def op_times(analysis: Analysis, target: LatencyTarget) -> OpTimes:
    """Predicted milliseconds by weight path; ops that run no kernel of their own take none."""
    times = {time.path: time.ms for time in predict_op_times(analysis, target)}
    return OpTimes(ms=times, words=target_words(target))
