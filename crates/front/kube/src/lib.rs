//! Kubernetes' objects played on this machine, and written from what runs here.
//!
//! Reading order: [`manifest`] (files become objects), [`pod`] (one pod becomes what the neck is asked
//! for), [`generate`] (the way back). Everything is pure: files, images and volumes are the caller's.
//! What a field means is Kubernetes' word (API reference, core/v1 and apps/v1); what has no meaning on
//! one machine (scheduling, service accounts, services) is passed over, what is misspelt or cannot be
//! had is refused with file, line and field.
#![forbid(unsafe_code)]

pub mod field;
pub mod generate;
pub mod manifest;
pub mod pod;
pub mod quantity;

pub use field::FieldError;
pub use manifest::Manifest;
pub use pod::PodPlan;
