//! The API server: HTTP in, objects in the store, watches out. Driven by a table of
//! [`teu_api::Row`]s; knows no kind by name but where Kubernetes itself does.
#![forbid(unsafe_code)]
