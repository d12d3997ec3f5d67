"""The interface of each kind of plugin.

A plugin, such as your own method, implements one of the abstract classes. The records of results are here, too.
"""

from oodbench.contracts.breakdown import Breakdown, BreakdownGroup, BreakdownThreshold, ClassFalseAlarms
from oodbench.contracts.calibration import FALSE_ALARM_RATE, Calibration
from oodbench.contracts.data import Archive, Benchmark, BenchmarkCard, ComponentSizes, Dataset, DatasetCard, Roots
from oodbench.contracts.head import Head, HeadCard, HeadOutput, TrainingHead
from oodbench.contracts.mergeable_fit import MergeableFit
from oodbench.contracts.method import ClassMapBand, Fit, GridMethod, Method, MethodCard, Needs, Parameters, PixelMethod
from oodbench.contracts.metric import (
    AT_ID95,
    COMPONENT_METRICS,
    METRICS,
    PIXEL_METRICS,
    MetricGroup,
    MetricSpec,
    Quality,
    default_tolerances,
    metric_spec,
    metrics_of,
)
from oodbench.contracts.protocol import Protocol, Scoring
from oodbench.contracts.published import REQUIREMENT_TITLES, PublishedResult, Requirement, Requirements
from oodbench.contracts.report import BinnedScores, Report, ReportCard, RunView
from oodbench.contracts.result import Cost, FailedBenchmark, Result, ResultsFile, group_comparable
from oodbench.contracts.segmenter import Adapter, AdapterCard, Capabilities, Expected, LinearClassifier, Segmenter
from oodbench.contracts.submission import (
    LARGEST_CHANGE,
    SIDE_FILE,
    KnownFrame,
    ProgressCallback,
    Submission,
    SubmissionCard,
    SubmissionScorer,
    SubmittedFrame,
    WrittenSubmission,
)
from oodbench.contracts.uncertainty import (
    WIDEST_BRACKET,
    Bracket,
    ComparedMethod,
    Difference,
    Intervals,
    MethodComparison,
    warn_of_wide_brackets,
)

__all__ = [
    "AT_ID95",
    "COMPONENT_METRICS",
    "FALSE_ALARM_RATE",
    "LARGEST_CHANGE",
    "METRICS",
    "PIXEL_METRICS",
    "REQUIREMENT_TITLES",
    "SIDE_FILE",
    "WIDEST_BRACKET",
    "Adapter",
    "AdapterCard",
    "Archive",
    "Benchmark",
    "BenchmarkCard",
    "BinnedScores",
    "Bracket",
    "Breakdown",
    "BreakdownGroup",
    "BreakdownThreshold",
    "Calibration",
    "Capabilities",
    "ClassFalseAlarms",
    "ClassMapBand",
    "ComparedMethod",
    "ComponentSizes",
    "Cost",
    "Dataset",
    "DatasetCard",
    "Difference",
    "Expected",
    "FailedBenchmark",
    "Fit",
    "GridMethod",
    "Head",
    "HeadCard",
    "HeadOutput",
    "Intervals",
    "KnownFrame",
    "LinearClassifier",
    "MergeableFit",
    "Method",
    "MethodCard",
    "MethodComparison",
    "MetricGroup",
    "MetricSpec",
    "Needs",
    "Parameters",
    "PixelMethod",
    "ProgressCallback",
    "Protocol",
    "PublishedResult",
    "Quality",
    "Report",
    "ReportCard",
    "Requirement",
    "Requirements",
    "Result",
    "ResultsFile",
    "Roots",
    "RunView",
    "Scoring",
    "Segmenter",
    "Submission",
    "SubmissionCard",
    "SubmissionScorer",
    "SubmittedFrame",
    "TrainingHead",
    "WrittenSubmission",
    "default_tolerances",
    "group_comparable",
    "metric_spec",
    "metrics_of",
    "warn_of_wide_brackets",
]
