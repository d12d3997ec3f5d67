"""Templates of plugins with their tests, which `oodbench new` copies under another name."""
