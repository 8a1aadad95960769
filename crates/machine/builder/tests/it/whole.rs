//! The Dockerfile of "must show" 2: three stages, cache mounts, a secret, heredocs, ONBUILD.

use crate::world::World;
use teu_builder::{BuildRequest, Secret, SecretSource};

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
ARG BASE=busybox
FROM $BASE AS common
ONBUILD ARG WHO=world
ONBUILD RUN echo "prepared for ${WHO}" > /prepared

FROM common AS compile
WORKDIR /src
COPY lib.txt .
RUN --mount=type=cache,target=/cache \
    --mount=type=secret,id=token,required <<EOF
set -e
test -s /run/secrets/token
cp lib.txt /cache/last
tr a-z A-Z < lib.txt > /lib.out
EOF

FROM common AS assets
COPY asset.txt /asset
COPY --chmod=755 <<"SCRIPT" /start
#!/bin/sh
cat /lib.out /asset
SCRIPT
RUN /bin/sh -n /start

FROM busybox
COPY --from=compile /lib.out /lib.out
COPY --from=assets /asset /start /
COPY --from=compile /prepared /prepared
HEALTHCHECK --interval=5s CMD ["/bin/true"]
USER daemon
CMD ["/start"]
"#;

fn request() -> BuildRequest {
    let source = SecretSource::Value(b"hush".to_vec());
    BuildRequest {
        secrets: vec![Secret { id: "token".to_owned(), source }],
        source_date_epoch: Some(1_700_000_000),
        ..BuildRequest::default()
    }
}

fn world() -> World {
    let world = World::new();
    world.file("lib.txt", "library\n").file("asset.txt", "asset\n").file("Dockerfile", DOCKERFILE);
    world
}

#[test]
fn two_empty_stores_give_one_digest() {
    let first = world().request(request());
    let again = world();
    // Other times in the context, the same content.
    let file = std::fs::File::open(again.context().join("asset.txt")).expect("opens");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_750_000_000);
    file.set_modified(old).expect("sets");
    let second = again.request(request());
    assert_eq!(first.id(), second.id());
    assert_eq!(first.outcome.manifest_digest, second.outcome.manifest_digest);
    let config = first.config();
    assert_eq!(config.created.as_deref(), Some("2023-11-14T22:13:20Z"));
    let history: Vec<_> = config.history.iter().filter_map(|h| h.created_by.as_deref()).collect();
    assert!(history.contains(&"COPY /asset /start / # buildkit"), "{history:?}");
    assert!(history.contains(&"USER daemon"), "{history:?}");
}

#[test]
fn one_file_rebuilds_one_stage() {
    let world = world();
    world.request(request());
    assert_eq!(world.request(request()).heard.ran().len(), 0);
    world.file("asset.txt", "another\n");
    let ran = world.request(request()).heard.ran();
    assert!(
        ran.iter().all(|name| name.starts_with("[assets") || name.contains("--from=")),
        "{ran:?}"
    );
    assert!(ran.iter().any(|name| name.starts_with("[assets")), "{ran:?}");
    assert!(!ran.iter().any(|name| name.starts_with("[compile")), "{ran:?}");
}
