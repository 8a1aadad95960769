//! Messages of `moby.buildkit.v1.frontend.LLBBridge`: what a client's own frontend says.
#![expect(missing_docs, reason = "BuildKit's names, documented there")]

use super::{CacheOptionsEntry, Definition, Platform, RpcStatus, WorkerRecord};
use prost::{Message, Oneof};
use std::collections::HashMap;

/// `moby.buildkit.v1.apicaps.APICap`
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ApiCap {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(bool, tag = "2")]
    pub enabled: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct PongResponse {
    #[prost(message, repeated, tag = "1")]
    pub frontend_api_caps: Vec<ApiCap>,
    #[prost(message, repeated, tag = "2")]
    pub llb_caps: Vec<ApiCap>,
    #[prost(message, repeated, tag = "3")]
    pub workers: Vec<WorkerRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SolveRequest {
    #[prost(message, optional, tag = "1")]
    pub definition: Option<Definition>,
    #[prost(string, tag = "2")]
    pub frontend: String,
    #[prost(map = "string, string", tag = "3")]
    pub frontend_opt: HashMap<String, String>,
    #[prost(message, repeated, tag = "12")]
    pub cache_imports: Vec<CacheOptionsEntry>,
    #[prost(map = "string, message", tag = "13")]
    pub frontend_inputs: HashMap<String, Definition>,
    #[prost(bool, tag = "14")]
    pub evaluate: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct SolveResponse {
    #[prost(message, optional, tag = "3")]
    pub result: Option<SolveResult>,
}

/// `Result`
#[derive(Clone, PartialEq, Message)]
pub struct SolveResult {
    #[prost(oneof = "References", tags = "1, 2, 3, 4")]
    pub result: Option<References>,
    #[prost(map = "string, bytes", tag = "10")]
    pub metadata: HashMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum References {
    #[prost(string, tag = "1")]
    OneDeprecated(String),
    #[prost(message, tag = "2")]
    SeveralDeprecated(NamesDeprecated),
    #[prost(message, tag = "3")]
    One(Ref),
    #[prost(message, tag = "4")]
    Several(RefMap),
}

#[derive(Clone, PartialEq, Message)]
pub struct NamesDeprecated {
    #[prost(map = "string, string", tag = "1")]
    pub refs: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Ref {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct RefMap {
    #[prost(map = "string, message", tag = "1")]
    pub refs: HashMap<String, Ref>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReturnRequest {
    #[prost(message, optional, tag = "1")]
    pub result: Option<SolveResult>,
    #[prost(message, optional, tag = "2")]
    pub error: Option<RpcStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResolveImageConfigRequest {
    #[prost(string, tag = "1")]
    pub reference: String,
    #[prost(message, optional, tag = "2")]
    pub platform: Option<Platform>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResolveImageConfigResponse {
    #[prost(string, tag = "1")]
    pub digest: String,
    #[prost(bytes = "vec", tag = "2")]
    pub config: Vec<u8>,
    #[prost(string, tag = "3")]
    pub reference: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct InputsResponse {
    #[prost(map = "string, message", tag = "1")]
    pub definitions: HashMap<String, Definition>,
}
