"""Datasets with semantic labels, one file per dataset."""
