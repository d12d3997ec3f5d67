"""What `oodbench new` starts from: a whole plugin of each kind and its test, under names that it replaces."""
