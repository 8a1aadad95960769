//! The API server: HTTP in, objects in the store, watches out. Driven by a table of
//! [`teu_api::Row`]s; knows no kind by name but where Kubernetes itself does.
//!
//! Reading order: [`table`] (which resources there are), [`shelf`] and [`stored`] (where their objects
//! are and how), [`verbs`] (what is done to them), [`request`] and [`encode`] (what was asked for and
//! how it is answered), `handler` (HTTP), [`serve`] (from a configuration to a server).
//!
//! Invariants: a request is parsed once, and what is authorised is what was parsed; an answer is the
//! stored bytes wherever they fit; every wait, body, list of parameters and stream is bounded.
#![forbid(unsafe_code)]

pub mod admission;
pub mod aggregate;
pub mod answer;
pub mod api;
pub mod audit;
pub mod auth;
pub mod bootstrap;
pub mod certificates;
mod components;
pub mod config;
pub mod connect;
pub mod control;
pub mod controllers;
pub mod crd;
pub mod credentials;
pub mod current;
pub mod encode;
pub mod fairness;
mod file;
mod follow;
pub mod garbage;
mod handler;
pub mod history;
pub mod id;
pub mod lifetimes;
mod local;
mod masters;
pub mod metrics;
pub mod namespaces;
pub mod outgoing;
pub mod paths;
pub mod proxy;
pub mod reload;
pub mod request;
pub mod rows;
pub mod sealing;
pub mod select;
pub mod serve;
pub mod services;
pub mod shelf;
pub mod snapshots;
pub mod stored;
pub mod table;
pub mod taints;
pub mod time;
pub mod turns;
pub mod verbs;
pub mod webhook;
pub mod websocket;

pub use api::{Api, Call};
pub use config::{Config, ConfigError, StoreConfig};
pub use handler::Service;
pub use local::Local;
pub use serve::{Error, Event, Server, run};
