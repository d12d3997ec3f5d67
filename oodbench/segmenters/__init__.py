"""Adapters that load segmentation networks, one file per format.

The registry finds them. Their interface is described in oodbench.contracts.segmenter.
"""
