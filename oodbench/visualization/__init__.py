"""Pictures of score maps."""
