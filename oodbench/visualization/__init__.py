"""Turns score maps into pictures."""
