//! bollard, the Rust client that most programs use (crates.io): every part of its API that a
//! program needs, against `teu engine`. Issue 4, must show 2.

use super::{Engine, PATIENCE};
use crate::world::World;
use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{
    ContainerCreateBody, ExecConfig, HostConfig, NetworkConnectRequest, NetworkCreateRequest,
    PortBinding, VolumeCreateRequest,
};
use bollard::query_parameters as q;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use std::collections::HashMap;
use tokio::io::AsyncWriteExt as _;

type Outcome = Result<(), Error>;

fn words(text: &str) -> Option<Vec<String>> {
    Some(text.split('|').map(str::to_owned).collect())
}

/// Of busybox, with a command whose words are parted by `|`.
fn wish(command: &str) -> ContainerCreateBody {
    let image = Some("busybox".to_owned());
    ContainerCreateBody { image, cmd: words(command), ..Default::default() }
}

async fn create(docker: &Docker, name: &str, body: ContainerCreateBody) -> Result<String, Error> {
    let options = q::CreateContainerOptionsBuilder::default().name(name).build();
    Ok(docker.create_container(Some(options), body).await?.id)
}

async fn start(docker: &Docker, name: &str) -> Outcome {
    docker.start_container(name, None::<q::StartContainerOptions>).await
}

async fn remove(docker: &Docker, name: &str) -> Outcome {
    let options = q::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    docker.remove_container(name, Some(options)).await
}

/// Standard output and error, apart.
async fn parted(
    output: impl Stream<Item = Result<LogOutput, Error>>,
) -> Result<(String, String), Error> {
    let all: Vec<LogOutput> = output.try_collect().await?;
    let (mut out, mut err) = (String::new(), String::new());
    for one in all {
        let text = String::from_utf8_lossy(one.as_ref()).into_owned();
        match one {
            LogOutput::StdErr { .. } => err.push_str(&text),
            _ => out.push_str(&text),
        }
    }
    Ok((out, err))
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, status: u16) {
    match result {
        Err(Error::DockerResponseServerError { status_code, message }) => {
            assert_eq!(status_code, status, "{message}");
            assert!(!message.is_empty());
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

/// A tar of a few files, as programs make them.
fn tar(world: &World, files: &[(&str, &str)]) -> bytes::Bytes {
    for (name, text) in files {
        world.file(&format!("tar/{name}"), text);
    }
    let folder = world.root().join("files/tar");
    let mut command = std::process::Command::new("tar");
    command.arg("-C").arg(&folder).arg("-cf").arg("-").args(files.iter().map(|(name, _)| name));
    let output = command.output().expect("tar runs");
    assert!(output.status.success());
    std::fs::remove_dir_all(folder).expect("removes");
    output.stdout.into()
}

async fn containers(docker: &Docker, world: &World) -> Outcome {
    let env = Some(vec!["A=b".to_owned()]);
    let bound = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
    let ports = HashMap::from([("80/tcp".to_owned(), Some(vec![bound]))]);
    let host = HostConfig {
        memory: Some(64 << 20),
        port_bindings: Some(ports),
        init: Some(true),
        ..Default::default()
    };
    let labels = Some(HashMap::from([("k".to_owned(), "v".to_owned())]));
    let exposed_ports = Some(vec!["80/tcp".to_owned()]);
    let body = wish("sh|-c|echo out; echo err >&2; sleep 1000");
    let body = ContainerCreateBody { env, host_config: Some(host), labels, exposed_ports, ..body };
    let id = create(docker, "one", body).await?;
    refused(create(docker, "one", wish("true")).await, 409);
    start(docker, "one").await?;
    let seen = docker.inspect_container("one", None::<q::InspectContainerOptions>).await?;
    assert_eq!(seen.id.as_deref(), Some(&*id));
    let ports = seen.network_settings.and_then(|settings| settings.ports).expect("ports");
    assert_eq!(ports["80/tcp"].as_ref().expect("bound")[0].host_ip.as_deref(), Some("127.0.0.1"));
    let filters = HashMap::from([("label", vec!["k=v"])]);
    let options = q::ListContainersOptionsBuilder::default().filters(&filters).build();
    let listed = docker.list_containers(Some(options)).await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].names.as_deref(), Some(&["/one".to_owned()][..]));
    let top = docker.top_processes("one", None::<q::TopOptions>).await?;
    assert!(top.processes.is_some_and(|all| all.len() >= 2));
    let options = q::StatsOptionsBuilder::default().stream(false).build();
    let stats: Vec<_> = docker.stats("one", Some(options)).try_collect().await?;
    assert!(stats[0].memory_stats.as_ref().and_then(|memory| memory.usage) > Some(0));
    docker.pause_container("one").await?;
    docker.unpause_container("one").await?;
    let options = q::RenameContainerOptionsBuilder::default();
    docker.rename_container("one", options.name("uno").build()).await?;
    let body = bollard::models::ContainerUpdateBody {
        memory: Some(128 << 20),
        memory_swap: Some(256 << 20),
        ..Default::default()
    };
    docker.update_container("uno", body).await?;

    let archive = tar(world, &[("put", "put")]);
    let options = q::UploadToContainerOptionsBuilder::default().path("/tmp").build();
    let body = bollard::body_full(archive);
    docker.upload_to_container("uno", Some(options), body).await?;
    let options = q::DownloadFromContainerOptionsBuilder::default().path("/tmp/put").build();
    let stream = docker.download_from_container("uno", Some(options));
    let got: Vec<bytes::Bytes> = stream.try_collect().await?;
    assert!(got.concat().windows(3).any(|three| three == b"put"));
    let changes = docker.container_changes("uno").await?.expect("it wrote");
    assert!(changes.iter().any(|change| change.path == "/tmp/put"), "{changes:?}");

    let options = q::StopContainerOptionsBuilder::default().t(1).build();
    docker.stop_container("uno", Some(options)).await?;
    refused(remove(docker, "nobody").await, 404);
    remove(docker, "uno").await
}

async fn streams(docker: &Docker) -> Outcome {
    create(docker, "talks", wish("sh|-c|echo out; echo err >&2; exit 3")).await?;
    start(docker, "talks").await?;
    let ended = docker.wait_container("talks", None::<q::WaitContainerOptions>).next().await;
    match ended {
        Some(Err(Error::DockerContainerWaitError { code, .. })) => assert_eq!(code, 3),
        Some(Ok(answer)) => assert_eq!(answer.status_code, 3),
        other => panic!("{other:?}"),
    }
    let options = q::LogsOptionsBuilder::default().stdout(true).stderr(true).follow(true).build();
    let logs = parted(docker.logs("talks", Some(options))).await?;
    assert_eq!(logs, ("out\n".to_owned(), "err\n".to_owned()));
    remove(docker, "talks").await?;

    let body = ContainerCreateBody {
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        ..wish("cat")
    };
    create(docker, "cat", body).await?;
    let options = q::AttachContainerOptionsBuilder::default();
    let options = options.stdin(true).stdout(true).stderr(true).stream(true).build();
    let attached = docker.attach_container("cat", Some(options)).await?;
    let AttachContainerResults { output, mut input } = attached;
    start(docker, "cat").await?;
    input.write_all(b"typed\n").await?;
    input.shutdown().await?;
    assert_eq!(parted(output).await?.0, "typed\n");
    remove(docker, "cat").await?;

    create(docker, "host", wish("sleep|1000")).await?;
    start(docker, "host").await?;
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        attach_stdin: Some(true),
        env: Some(vec!["X=y".to_owned()]),
        cmd: words("sh|-c|read line; echo $X $line; echo e >&2; exit 4"),
        ..Default::default()
    };
    let exec = docker.create_exec("host", config).await?.id;
    match docker.start_exec(&exec, None).await? {
        StartExecResults::Attached { output, mut input } => {
            input.write_all(b"said\n").await?;
            assert_eq!(parted(output).await?, ("y said\n".to_owned(), "e\n".to_owned()));
        }
        StartExecResults::Detached => panic!("nobody asked for that"),
    }
    let seen = docker.inspect_exec(&exec).await?;
    assert_eq!((seen.running, seen.exit_code), (Some(false), Some(4)));
    remove(docker, "host").await
}

async fn images(docker: &Docker, world: &World) -> Outcome {
    let archive = tar(
        world,
        &[
            ("Dockerfile", "FROM busybox\nCOPY f /f\nCMD [\"cat\", \"/f\"]\n"),
            ("f", "from a build"),
        ],
    );
    let options = q::BuildImageOptionsBuilder::default().t("local/built:rs").build();
    let lines = docker.build_image(options, None, Some(bollard::body_full(archive)));
    let lines: Vec<_> = lines.try_collect().await?;
    let said: String = lines.iter().filter_map(|line| line.stream.as_deref()).collect();
    assert!(said.contains("Successfully built"), "{said}");
    create(
        docker,
        "built",
        ContainerCreateBody { image: Some("local/built:rs".into()), ..Default::default() },
    )
    .await?;
    start(docker, "built").await?;
    let waited: Vec<_> =
        docker.wait_container("built", None::<q::WaitContainerOptions>).try_collect().await?;
    assert_eq!(waited[0].status_code, 0);
    let options = q::LogsOptionsBuilder::default().stdout(true).build();
    assert_eq!(parted(docker.logs("built", Some(options))).await?.0, "from a build");
    let options = q::CommitContainerOptionsBuilder::default().container("built").repo("local/kept");
    docker.commit_container(options.build(), bollard::models::ContainerConfig::default()).await?;
    remove(docker, "built").await?;
    let failing = tar(world, &[("Dockerfile", "FROM busybox\nRUN exit 9\n")]);
    let options = q::BuildImageOptionsBuilder::default().build();
    let lines = docker.build_image(options, None, Some(bollard::body_full(failing)));
    assert!(lines.try_collect::<Vec<_>>().await.is_err(), "a build that fails succeeded");

    let saved: Vec<bytes::Bytes> = docker.export_image("local/built:rs").try_collect().await?;
    let options = q::TagImageOptionsBuilder::default().repo("local/tagged").tag("1").build();
    docker.tag_image("local/built:rs", Some(options)).await?;
    assert!(!docker.image_history("local/tagged:1").await?.is_empty());
    for name in ["local/built:rs", "local/tagged:1", "local/kept"] {
        docker.remove_image(name, None::<q::RemoveImageOptions>, None).await?;
    }
    refused(docker.inspect_image("local/built:rs").await, 404);
    let body = bollard::body_full(saved.concat().into());
    let options = q::ImportImageOptionsBuilder::default().build();
    docker.import_image(options, body, None).try_collect::<Vec<_>>().await?;
    let seen = docker.inspect_image("local/built:rs").await?;
    assert_eq!(seen.repo_tags.as_deref(), Some(&["local/built:rs".to_owned()][..]));
    let listed = docker.list_images(None::<q::ListImagesOptions>).await?;
    assert!(listed.iter().any(|image| image.repo_tags.contains(&"local/built:rs".to_owned())));
    let options = q::CreateImageOptionsBuilder::default().from_image("nowhere/none").build();
    let pulled = docker.create_image(Some(options), None, None).try_collect::<Vec<_>>().await;
    assert!(pulled.is_err(), "an image came from a registry that is blocked");
    Ok(())
}

async fn resources(docker: &Docker) -> Outcome {
    let config = NetworkCreateRequest { name: "net".to_owned(), ..Default::default() };
    docker.create_network(config.clone()).await?;
    refused(docker.create_network(config).await, 409);
    create(docker, "on", wish("sleep|1000")).await?;
    start(docker, "on").await?;
    let request = NetworkConnectRequest { container: "on".to_owned(), endpoint_config: None };
    docker.connect_network("net", request).await?;
    let seen = docker.inspect_network("net", None::<q::InspectNetworkOptions>).await?;
    let json = serde_json::to_string(&seen).expect("is JSON");
    assert!(json.contains("\"Name\":\"on\""), "{json}");
    refused(docker.remove_network("net").await, 403);
    let request =
        bollard::models::NetworkDisconnectRequest { container: "on".to_owned(), force: Some(true) };
    docker.disconnect_network("net", request).await?;
    docker.remove_network("net").await?;
    remove(docker, "on").await?;

    let labels = Some(HashMap::from([("l".to_owned(), "1".to_owned())]));
    let request = VolumeCreateRequest { name: Some("vol".into()), labels, ..Default::default() };
    docker.create_volume(request).await?;
    let host = HostConfig { binds: Some(vec!["vol:/data".to_owned()]), ..Default::default() };
    let body = ContainerCreateBody { host_config: Some(host), ..wish("touch|/data/x") };
    create(docker, "writer", body).await?;
    refused(docker.remove_volume("vol", None::<q::RemoveVolumeOptions>).await, 409);
    remove(docker, "writer").await?;
    assert_eq!(docker.inspect_volume("vol").await?.labels["l"], "1");
    let listed = docker.list_volumes(None::<q::ListVolumesOptions>).await?;
    assert!(listed.volumes.is_some_and(|all| all.iter().any(|volume| volume.name == "vol")));
    docker.remove_volume("vol", None::<q::RemoveVolumeOptions>).await?;
    docker.prune_containers(None::<q::PruneContainersOptions>).await?;
    docker.prune_networks(None::<q::PruneNetworksOptions>).await?;
    docker.prune_volumes(None::<q::PruneVolumesOptions>).await?;
    docker.df(None::<q::DataUsageOptions>).await.map(drop)
}

async fn all(docker: Docker, world: &World) -> Outcome {
    let docker = docker.negotiate_version().await?;
    assert_eq!(docker.ping().await?, "OK");
    assert_eq!(docker.version().await?.os.as_deref(), Some("linux"));
    assert!(docker.info().await?.id.is_some());
    let since = docker.info().await?.system_time.expect("a time");
    containers(&docker, world).await?;
    streams(&docker).await?;
    images(&docker, world).await?;
    resources(&docker).await?;
    let until = docker.info().await?.system_time.expect("a time");
    let options = q::EventsOptionsBuilder::default().since(&since).until(&until).build();
    let events: Vec<_> = docker.events(Some(options)).try_collect().await?;
    let seen: Vec<String> = events
        .iter()
        .filter_map(|event| Some(format!("{} {}", event.typ.as_ref()?, event.action.as_ref()?)))
        .collect();
    for expected in [
        "container create",
        "container die",
        "container rename",
        "network connect",
        "volume create",
        "image tag",
    ] {
        assert!(seen.iter().any(|one| one == expected), "{expected}: {seen:?}");
    }
    Ok(())
}

#[test]
fn bollard() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    let socket = engine.socket.to_str().expect("a plain path");
    let seconds = PATIENCE.as_secs() * 4;
    let docker = Docker::connect_with_unix(socket, seconds, bollard::API_DEFAULT_VERSION);
    let docker = docker.expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(all(docker, &world)).expect("all is well");
}
