"""The history of our tables. Optuna keeps its own, in another version table."""
