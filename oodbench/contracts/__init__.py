"""What each kind of plugin is. A plugin implements one of these classes and nothing else of the harness."""

from oodbench.contracts.data import Archive, Benchmark, BenchmarkCard, ComponentSizes, Dataset, DatasetCard, Roots
from oodbench.contracts.head import Head, HeadCard, HeadOutput, TrainingHead
from oodbench.contracts.method import (
    ClassMapBand,
    Fit,
    GridMethod,
    Method,
    MethodCard,
    Needs,
    Parameters,
    PixelMethod,
)
from oodbench.contracts.protocol import Protocol, Scoring
from oodbench.contracts.published import CONTAMINATION, Contamination, Flag, PublishedRow
from oodbench.contracts.report import AT_ID95, HIGHER_IS_BETTER, Calibration, Report, ReportCard, Row, RunView
from oodbench.contracts.segmenter import Adapter, AdapterCard, Capabilities, Expected, LinearClassifier, Segmenter
from oodbench.contracts.strata import Mistake, Strata, Stratum, Threshold
from oodbench.contracts.submission import (
    LARGEST_CHANGE,
    SIDE_FILE,
    KnownFrame,
    Scored,
    Submission,
    SubmissionCard,
    SubmittedFrame,
    Track,
    Written,
)
from oodbench.contracts.uncertainty import ComparedRow, ComparisonOfRows, Difference, Intervals

__all__ = [
    "AT_ID95",
    "CONTAMINATION",
    "HIGHER_IS_BETTER",
    "LARGEST_CHANGE",
    "SIDE_FILE",
    "Adapter",
    "AdapterCard",
    "Archive",
    "Benchmark",
    "BenchmarkCard",
    "Calibration",
    "Capabilities",
    "ClassMapBand",
    "ComparedRow",
    "ComparisonOfRows",
    "ComponentSizes",
    "Contamination",
    "Dataset",
    "DatasetCard",
    "Difference",
    "Expected",
    "Fit",
    "Flag",
    "GridMethod",
    "Head",
    "HeadCard",
    "HeadOutput",
    "Intervals",
    "KnownFrame",
    "LinearClassifier",
    "Method",
    "MethodCard",
    "Mistake",
    "Needs",
    "Parameters",
    "PixelMethod",
    "Protocol",
    "PublishedRow",
    "Report",
    "ReportCard",
    "Roots",
    "Row",
    "RunView",
    "Scored",
    "Scoring",
    "Segmenter",
    "Strata",
    "Stratum",
    "Submission",
    "SubmissionCard",
    "SubmittedFrame",
    "Threshold",
    "Track",
    "TrainingHead",
    "Written",
]
