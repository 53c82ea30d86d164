"""The one definition of every option: its name, type, default, limits and help.

The flags of the command line, their help, the YAML file and the check for unknown keys are derived from these frozen
models. Nothing here accesses the disk: validating a configuration has no side effects.
"""

from residerm.config.base import FlatOptions, Options
from residerm.config.bench import BenchOptions, InferenceBenchOptions, ServiceBenchOptions
from residerm.config.calibration import CalibrateOptions
from residerm.config.data import (
    ArchiveOptions,
    AugmentOptions,
    OnBadImage,
    PixelSpec,
    SampleOptions,
    SplitOptions,
    SyntheticOptions,
    Task,
)
from residerm.config.distillation import DistillationOptions
from residerm.config.evaluation import Decision, EvaluateOptions
from residerm.config.experiment import Experiment
from residerm.config.explanation import ExplainOptions, Method
from residerm.config.export import ExportOptions, ExportPrecision
from residerm.config.members import Join, MemberOptions
from residerm.config.neighbours import NeighbourOptions
from residerm.config.network import ModelOptions, ResNetOptions, Shortcut, Stem
from residerm.config.prediction import PredictOptions
from residerm.config.presets import PRESETS
from residerm.config.serving import LogFormat, ServeOptions
from residerm.config.theory import DepthOptions, DepthPreset, EquationOptions, FlowOptions
from residerm.config.training import Precision, TrainOptions
from residerm.config.trust import OutlierScore, TrustOptions

__all__ = [
    "PRESETS",
    "ArchiveOptions",
    "AugmentOptions",
    "BenchOptions",
    "CalibrateOptions",
    "Decision",
    "DepthOptions",
    "DepthPreset",
    "DistillationOptions",
    "EquationOptions",
    "EvaluateOptions",
    "Experiment",
    "ExplainOptions",
    "ExportOptions",
    "ExportPrecision",
    "FlatOptions",
    "FlowOptions",
    "InferenceBenchOptions",
    "Join",
    "LogFormat",
    "MemberOptions",
    "Method",
    "ModelOptions",
    "NeighbourOptions",
    "OnBadImage",
    "Options",
    "OutlierScore",
    "PixelSpec",
    "Precision",
    "PredictOptions",
    "ResNetOptions",
    "SampleOptions",
    "ServeOptions",
    "ServiceBenchOptions",
    "Shortcut",
    "SplitOptions",
    "Stem",
    "SyntheticOptions",
    "Task",
    "TrainOptions",
    "TrustOptions",
]
