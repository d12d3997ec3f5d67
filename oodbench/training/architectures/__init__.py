"""Training of six architectures of MMSegmentation, with their own heads or GMMSeg's.

There are recipes for Cityscapes at full size, and reduced recipes for *streets*.
"""
