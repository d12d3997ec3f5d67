"""The stages that one batch of frames goes through."""
