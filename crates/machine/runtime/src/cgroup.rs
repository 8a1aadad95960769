//! Control groups: limits, accounting, freezing and killing, for v1 hierarchies and v2.
