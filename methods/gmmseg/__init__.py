"""GMMSeg: a generative head with one Gaussian mixture per class, trained end to end with its network, and its scores.

Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models", NeurIPS 2022.
"""

from oodbench.methods.gmmseg.head import GMMSegHead
from oodbench.methods.gmmseg.scores import GMMSeg, GMMSegNorm

__all__ = ["GMMSeg", "GMMSegHead", "GMMSegNorm"]
