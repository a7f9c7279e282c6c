"""What drawings need to tell a predicted latency: each op's time, and on what and how the network runs."""

from analyzer.cost.analysis import Analysis
from analyzer.latency.setting import Setting
from analyzer.render.diagram_look import OpTimes
from analyzer.render.prediction import setting_words


def op_times(analysis: Analysis, setting: Setting) -> OpTimes:
    """Predicted milliseconds by weight path; ops that run no kernel of their own take none."""
    times = {time.path: time.ms for time in setting.op_times(analysis)}
    return OpTimes(ms=times, words=setting_words(setting))
