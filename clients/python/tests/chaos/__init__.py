"""Random clients and faults, and the check of what the SDK promises."""
