"""The named protocols: the rules of published evaluators. The same scores give different metrics under each."""

from __future__ import annotations

from collections.abc import Mapping

from oodbench.contracts import Protocol

POOLED = Protocol("pooled", "hermannsblum/fishyscapes, eval.py; hermannsblum/bdl-benchmark")
"""The protocol `pooled`: all pixels in one pool, exact AP, FPR at the first threshold that reaches 95 % recall."""

DEFAULT_PROTOCOL = POOLED.name
"""The protocol that is used if none is named."""

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
"""All named protocols, by name."""
