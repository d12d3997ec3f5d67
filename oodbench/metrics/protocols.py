"""The named protocols: the rules of published evaluators. The same scores give different metrics under each."""

from __future__ import annotations

from collections.abc import Mapping

from oodbench.contracts import Protocol

POOLED = Protocol("pooled", "hermannsblum/fishyscapes, eval.py; hermannsblum/bdl-benchmark")
"""The protocol `pooled`, a set of rules that turns scores into metrics.

The pixels of all frames count together. AP is exact. FPR95 is the false positive rate at the highest threshold that
reaches a recall of 95 %."""

DEFAULT_PROTOCOL = POOLED.name
"""Name of the protocol (rules of evaluation) that is used if no protocol is named."""

_ALL = (
    POOLED,
    Protocol(
        "smiyc",
        "SegmentMeIfYouCan/road-anomaly-benchmark, PixBinaryClass since August 2023 and SegEval",
        precision="float16",
        thresholds="percentiles",
        components=True,
    ),
    Protocol(
        "caos",
        "hendrycks/anomaly-seg, as its code stands",
        pooling="frames",
        fpr="nearest",
        void="in-distribution",
        frames_without_anomaly="skipped",
    ),
    Protocol(
        "caos-without-void",
        "hendrycks/anomaly-seg, void pixels left out first",
        pooling="frames",
        fpr="nearest",
        frames_without_anomaly="skipped",
    ),
    Protocol("pebal", "tianyu0207/PEBAL; yyliu01/RPL; ATTA", fpr="nearest"),
    Protocol("interpolated-fpr", "shjung13/Standardized-max-logits; shyam671/Mask2Anomaly", fpr="interpolated"),
    Protocol("strict-fpr", "matejgrcic/DenseHybrid; NazirNayal8/RbA", fpr="strict"),
    Protocol(
        "pytorch-ood",
        "kkirchheim/pytorch-ood, OODMetrics in segmentation mode",
        pooling="frames",
        average_precision="trapezoid",
        frames_without_anomaly="refused",
    ),
)

PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""The protocols (sets of rules that turn scores into metrics) by name."""
