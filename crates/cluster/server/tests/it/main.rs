//! The server as a client meets it: over HTTP, in this process, on an embedded store.

mod access;
mod admission;
mod aggregation;
mod certificates;
mod controllers;
mod crds;
mod deletes;
mod etcd;
mod fairness;
mod faults;
mod garbage;
mod history;
mod kubectl;
mod lists;
mod nodes;
mod objects;
mod parts;
mod patches;
mod proxying;
mod quotas;
mod services;
mod watches;
mod world;
