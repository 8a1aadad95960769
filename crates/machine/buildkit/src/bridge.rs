//! `moby.buildkit.v1.frontend.LLBBridge`: the frontend that runs in the client.
//!
//! `docker buildx build` solves `dockerfile.v0` by this service and then says which result it wants
//! exported. Solving fetches the files and reads the options; steps run when the result has been
//! returned, as BuildKit's results are lazy as well.

use crate::Inner;
use crate::build;
use crate::rpc::server::Call;
use crate::rpc::{Code, Status};
use crate::wire::Empty;
use crate::wire::bridge::{
    ApiCap, InputsResponse, PongResponse, Ref, References, ResolveImageConfigRequest,
    ResolveImageConfigResponse, ReturnRequest, SolveRequest, SolveResponse, SolveResult,
};

/// The header with a build's name.
const BUILD_HEADER: &str = "buildkit-controlapi-buildid";

/// What this service does, in BuildKit's words (`frontend/gateway/pb/caps.go`).
const FRONTEND_CAPS: &[&str] = &[
    "solve.base",
    "resolveimage",
    "resolveimage.resolvemode",
    "return",
    "returnmap",
    "proto.refarray",
    "importcaches",
    "frontend.inputs",
    "frontend.caps",
    "gateway.solve.metadata",
    "gateway.solve.evaluate",
    "gateway.warnings",
];

/// What builds do, likewise (`solver/pb/caps.go`): what clients ask about before they ask for it.
const LLB_CAPS: &[&str] = &[
    "source.local",
    "source.local.unique",
    "source.local.sessionid",
    "source.local.includepatterns",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "source.local.sharedkeyhint",
    "source.image",
    "exporter.multiple",
];

/// Answers one call of the service.
pub async fn call(inner: &Inner, method: &str, mut call: Call) -> Result<(), Status> {
    let reference = call.header(BUILD_HEADER).unwrap_or_default().to_owned();
    match method {
        "Ping" => {
            call.request::<Empty>().await?;
            inner.jobs.begun(&reference).await?;
            call.responses.send(&pong(inner)).await
        }
        "Solve" => {
            let request: SolveRequest = call.request().await?;
            let answer = solve(inner, &reference, &request).await?;
            call.responses.send(&answer).await
        }
        "Return" => {
            let request: ReturnRequest = call.request().await?;
            let (job, _) = inner.jobs.begun(&reference).await?;
            job.give(match request.error {
                Some(error) => Err(error.into()),
                None => returned(request.result),
            });
            call.responses.send(&Empty {}).await
        }
        "Inputs" => call.responses.send(&InputsResponse::default()).await,
        // Clients print their own frontend's warnings themselves as well.
        "Warn" => call.responses.send(&Empty {}).await,
        "ResolveImageConfig" => {
            let request: ResolveImageConfigRequest = call.request().await?;
            let answer = resolve(inner, &request)?;
            call.responses.send(&answer).await
        }
        "ReadFile" | "ReadDir" | "StatFile" | "Evaluate" | "ResolveSourceMeta" | "NewContainer"
        | "ReleaseContainer" | "ExecProcess" | "ReadFileContainer" | "ReadDirContainer"
        | "StatFileContainer" => {
            let text = format!(
                "{method}: a result cannot be looked into before it is exported; use --output type=local"
            );
            Err(Status::refused(text))
        }
        other => Err(Status::new(Code::Unimplemented, format!("unknown method {other}"))),
    }
}

fn pong(inner: &Inner) -> PongResponse {
    let caps = |names: &[&str]| {
        names.iter().map(|id| ApiCap { id: (*id).to_owned(), enabled: true }).collect()
    };
    PongResponse {
        frontend_api_caps: caps(FRONTEND_CAPS),
        llb_caps: caps(LLB_CAPS),
        workers: vec![crate::control::worker(inner)],
    }
}

async fn solve(
    inner: &Inner,
    reference: &str,
    request: &SolveRequest,
) -> Result<SolveResponse, Status> {
    let (job, begun) = inner.jobs.begun(reference).await?;
    if request.definition.as_ref().is_some_and(|definition| !definition.def.is_empty())
        || !request.frontend_inputs.is_empty()
    {
        return Err(no_llb());
    }
    if request.frontend.is_empty() {
        // The empty result, which clients return where there is nothing to build.
        return Ok(SolveResponse { result: Some(SolveResult::default()) });
    }
    known_frontend(&request.frontend)?;
    let prepared = build::prepare(inner, &job, &begun, &request.frontend_opt).await?;
    let id = job.keep(prepared)?;
    let result = Some(References::One(Ref { id }));
    Ok(SolveResponse { result: Some(SolveResult { result, ..SolveResult::default() }) })
}

/// Only Dockerfiles are built.
pub fn known_frontend(name: &str) -> Result<(), Status> {
    if name == "dockerfile.v0" {
        return Ok(());
    }
    let text = format!("frontend {name} is not supported by this engine: only dockerfile.v0 is");
    Err(Status::refused(text))
}

/// The answer to a definition of the client's own making.
pub fn no_llb() -> Status {
    Status::refused(
        "this engine builds Dockerfiles and executes no LLB of the client's own making: remote Dockerfiles \
         and git contexts must be fetched before the build",
    )
}

/// The one result of a build.
fn returned(result: Option<SolveResult>) -> Result<Option<String>, Status> {
    let several = |mut names: Vec<String>| match names.len() {
        0 | 1 => Ok(names.pop()),
        _ => Err(Status::refused("a build with several results is not supported")),
    };
    match result.and_then(|result| result.result) {
        None => Ok(None),
        Some(References::One(Ref { id }) | References::OneDeprecated(id)) => Ok(Some(id)),
        Some(References::Several(map)) => {
            several(map.refs.into_values().map(|reference| reference.id).collect())
        }
        Some(References::SeveralDeprecated(map)) => several(map.refs.into_values().collect()),
    }
}

fn resolve(
    inner: &Inner,
    request: &ResolveImageConfigRequest,
) -> Result<ResolveImageConfigResponse, Status> {
    let missing = |error: teu_images::Error| Status::new(Code::NotFound, error.to_string());
    let image = inner.config.images.resolve(&request.reference).map_err(missing)?;
    let internal = |error: serde_json::Error| Status::new(Code::Internal, error.to_string());
    Ok(ResolveImageConfigResponse {
        digest: image.manifest_digest.to_string(),
        config: serde_json::to_vec(&image.config).map_err(internal)?,
        reference: request.reference.clone(),
    })
}
