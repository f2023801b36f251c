"""Training of base-layer models (extra ``[train]``); nothing else in radcodec imports it."""
