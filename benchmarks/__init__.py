"""Programs that measure Penstroke. Their results are kept in ``results/``."""
