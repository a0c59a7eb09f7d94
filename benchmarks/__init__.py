"""Programs that measure what the README and the docs state. Each prints a table and keeps its raw figures as JSON."""
