"""A user's own labels, learnt from what the store holds: label, train, apply, derive."""
