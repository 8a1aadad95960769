//! Users and groups by name, looked up in the container's own files.
