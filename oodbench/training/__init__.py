"""Training of segmentation networks by recipes.

Training needs the extra `oodbench[train]`. A trained network runs without it.
"""
