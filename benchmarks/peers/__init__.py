"""Programs that people would use instead, after the tutorials of their libraries."""
