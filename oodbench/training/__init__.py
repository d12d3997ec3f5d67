"""Training of networks by recipes. Needs the extra `oodbench[train]`, which running a trained network does not."""
