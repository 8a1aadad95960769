//! `moby.buildkit.v1.Control`: builds, their status, the cache, and who works here.

use crate::build;
use crate::jobs::Begun;
use crate::rpc::server::{Call, Service};
use crate::rpc::{Code, Status};
use crate::status::now;
use crate::wire::{
    BuildHistoryRequest, BuildkitVersion, Definition, DiskUsageRequest, DiskUsageResponse, Empty,
    InfoResponse, ListWorkersResponse, Platform, PruneRequest, SolveRequest, SolveResponse,
    StatusRequest, UpdateBuildHistoryRequest, WorkerRecord,
};
use crate::{Inner, bridge, tunnel};
use std::collections::HashMap;
use std::sync::Arc;

mod usage;

/// What clients must know of this worker to ask it for files rather than images.
const SNAPSHOTTER_LABEL: &str = "org.mobyproject.buildkit.worker.snapshotter";
const EXECUTOR_LABEL: &str = "org.mobyproject.buildkit.worker.executor";
const HOST_GATEWAY_LABEL: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

impl Service for Inner {
    async fn call(self: Arc<Self>, call: Call) -> Result<(), Status> {
        let path = call.path.clone();
        let (service, method) = path.rsplit_once('/').unwrap_or_default();
        match service {
            "/moby.buildkit.v1.Control" => control(&self, method, call).await,
            "/moby.buildkit.v1.frontend.LLBBridge" => bridge::call(&self, method, call).await,
            "/grpc.health.v1.Health" => health(method, call).await,
            _ => Err(Status::new(Code::Unimplemented, format!("unknown service {path}"))),
        }
    }
}

async fn control(inner: &Inner, method: &str, mut call: Call) -> Result<(), Status> {
    match method {
        "Solve" => {
            let request: SolveRequest = call.request().await?;
            let answer = solve(inner, request).await?;
            call.responses.send(&answer).await
        }
        "Status" => {
            let request: StatusRequest = call.request().await?;
            status(inner, &request.reference, &call).await
        }
        "ListWorkers" => {
            call.responses.send(&ListWorkersResponse { record: vec![worker(inner)] }).await
        }
        "Info" => {
            call.responses.send(&InfoResponse { buildkit_version: Some(version(inner)) }).await
        }
        "DiskUsage" => {
            let request: DiskUsageRequest = call.request().await?;
            let record = usage::list(inner, &request)?;
            call.responses.send(&DiskUsageResponse { record }).await
        }
        "Prune" => {
            let request: PruneRequest = call.request().await?;
            for record in usage::prune(inner, &request)? {
                call.responses.send(&record).await?;
            }
            Ok(())
        }
        "Session" => {
            let headers = call.metadata.clone();
            let (io, moved) = tunnel::of_call(call);
            tokio::select! {
                served = inner.sessions.serve(io, &headers) => served,
                moved = moved => moved,
            }
        }
        "ListenBuildHistory" => {
            let request: BuildHistoryRequest = call.request().await?;
            inner.history.list(&request, &call).await
        }
        "UpdateBuildHistory" => {
            let request: UpdateBuildHistoryRequest = call.request().await?;
            if request.pinned {
                let text = "records of builds end with the engine: they cannot be pinned";
                return Err(Status::new(Code::Unimplemented, text));
            }
            if request.delete {
                inner.history.remove(&request.reference)?;
            }
            call.responses.send(&Empty {}).await
        }
        other => Err(Status::new(Code::Unimplemented, format!("unknown method {other}"))),
    }
}

/// One build from its request to its result.
pub async fn solve(inner: &Inner, request: SolveRequest) -> Result<SolveResponse, Status> {
    let defined = |definition: &Definition| !definition.def.is_empty();
    if request.definition.as_ref().is_some_and(defined) || !request.frontend_inputs.is_empty() {
        return Err(bridge::no_llb());
    }
    let job = inner.jobs.named(&request.reference)?;
    let session = inner.sessions.wait(&request.session).await?;
    let begun = Begun { session, entitlements: request.entitlements.clone() };
    let running = job.begin(begun.clone())?;
    let began = now();
    let built = async {
        let prepared = if request.frontend.is_empty() {
            job.returned().await?
        } else {
            bridge::known_frontend(&request.frontend)?;
            Some(build::prepare(inner, &job, &begun, &request.frontend_attrs).await?)
        };
        match prepared {
            Some(prepared) => build::execute(inner, (&job, &begun), prepared, &request).await,
            None => Ok(HashMap::new()),
        }
    };
    let result = built.await;
    inner.history.add(&request, began, (job.log.counts(), result.as_ref().err()));
    drop(running);
    result.map(|exporter_response| SolveResponse { exporter_response })
}

/// What happens in a build, from its beginning to its end.
async fn status(inner: &Inner, reference: &str, call: &Call) -> Result<(), Status> {
    let (job, _) = inner.jobs.begun(reference).await?;
    let mut next = 0;
    while let Some((entries, after)) = job.log.read(next).await {
        for entry in &entries {
            call.responses.send(entry).await?;
        }
        next = after;
    }
    Ok(())
}

/// The one worker there is.
pub fn worker(inner: &Inner) -> WorkerRecord {
    let mut labels: HashMap<String, String> = [
        (SNAPSHOTTER_LABEL, "overlayfs"),
        (EXECUTOR_LABEL, "teu"),
        ("org.mobyproject.buildkit.worker.hostname", "teu"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    if let Some(address) = inner.config.host_gateway {
        labels.insert(HOST_GATEWAY_LABEL.to_owned(), address.to_string());
    }
    let host = teu_oci::Platform::host();
    let platform = Platform {
        architecture: host.architecture,
        os: host.os,
        variant: host.variant.unwrap_or_default(),
    };
    WorkerRecord {
        id: "teu".to_owned(),
        labels,
        platforms: vec![platform],
        gc_policy: Vec::new(),
        buildkit_version: Some(version(inner)),
    }
}

fn version(inner: &Inner) -> BuildkitVersion {
    BuildkitVersion {
        package: "teu".to_owned(),
        version: inner.config.version.clone(),
        revision: String::new(),
    }
}

async fn health(method: &str, call: Call) -> Result<(), Status> {
    match method {
        "Check" => call.responses.send(&crate::wire::HealthResponse { status: 1 }).await,
        other => Err(Status::new(Code::Unimplemented, format!("unknown method {other}"))),
    }
}
