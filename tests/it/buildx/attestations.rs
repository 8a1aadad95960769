//! What a build says about its image, where buildx and its users look for it: in a manifest beside the
//! image in an index. Made by `teu build`, and moved to a registry, where the image has another digest.

use super::bench::Bench;
use crate::distribution::server::Registry;
use crate::registry::skopeo;
use serde_json::Value;

const DOCKERFILE: &str = "FROM busybox\nARG WORD=none\nRUN echo $WORD > /word\nRUN mkdir -p /opt/venv/lib/site/thing-2.0.dist-info && printf 'Metadata-Version: 2.1\\nName: thing\\nVersion: 2.0\\n' > /opt/venv/lib/site/thing-2.0.dist-info/METADATA\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// `docker buildx imagetools inspect --format FORMAT NAME`.
fn seen(bench: &Bench, name: &str, format: &str) -> Value {
    json(&bench.buildx(["imagetools", "inspect", "--format", format, name]).ok())
}

/// The index is as BuildKit would have it, and says the truth about the image in it.
fn check(raw: &str, blob: &dyn Fn(&str) -> String) {
    let index = json(raw);
    let entries = index["manifests"].as_array().unwrap_or_else(|| panic!("no index: {raw}"));
    assert_eq!(entries.len(), 2, "{raw}");
    let (image, beside) = (&entries[0], &entries[1]);
    assert_eq!(image["platform"]["architecture"], "amd64");
    assert_eq!(beside["platform"]["os"], "unknown");
    assert_eq!(beside["platform"]["architecture"], "unknown");
    assert_eq!(beside["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(beside["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    let manifest = json(&blob(beside["digest"].as_str().expect("a digest")));
    let layers = manifest["layers"].as_array().expect("statements");
    let config = json(&blob(manifest["config"]["digest"].as_str().expect("a digest")));
    for (number, layer) in layers.iter().enumerate() {
        assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
        assert_eq!(config["rootfs"]["diff_ids"][number], layer["digest"]);
        let statement = json(&blob(layer["digest"].as_str().expect("a digest")));
        assert_eq!(statement["predicateType"], layer["annotations"]["in-toto.io/predicate-type"]);
        let about = statement["subject"][0]["digest"]["sha256"].as_str().expect("a subject");
        assert_eq!(image["digest"], format!("sha256:{about}"));
    }
    assert_eq!(layers.len(), 2);
}

#[test]
fn buildx_finds_what_is_said() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    let registry = Registry::start();
    world.file("app/Dockerfile", DOCKERFILE);
    let folder = bench.path("app").display().to_string();
    let name = |tag: &str| format!("{}/team/app:{tag}", registry.address);
    let said = ["--provenance", "mode=max", "--sbom", "true", "--build-arg", "WORD=told"];
    let own = name("own");
    world.teu(["build", "-q", "--push", "-t", &own].iter().chain(&said).chain([&&*folder])).ok();
    {
        let name = &own;
        let provenance = seen(&bench, name, "{{json .Provenance}}");
        let definition = &provenance["SLSA"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["request"]["args"]["WORD"], "told", "{name}");
        let sbom = seen(&bench, name, "{{json .SBOM}}");
        assert!(sbom.to_string().contains("pkg:pypi/thing@2.0"), "{sbom}");
        let place = format!("docker://{name}");
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]);
        check(&raw, &|digest| {
            let path = |kind: &str| format!("/v2/team/app/{kind}/{digest}");
            use crate::distribution::http::Request;
            let manifest = registry.ask(Request::get(&path("manifests")));
            let answer = match manifest.status {
                200 => manifest,
                _ => registry.ask(Request::get(&path("blobs"))).expect(200),
            };
            String::from_utf8(answer.body).expect("text")
        });
        // Referrers are there as before.
        let listed = world.teu(["image", "referrers", "-q", &place]).ok();
        assert_eq!(listed.lines().count(), 2, "{listed}");
        // It is still an image to everybody else.
        let there = crate::world::World::empty();
        there.teu(["pull", "-q", name]).ok();
        assert_eq!(there.teu(["run", "--rm", "--network=none", name, "cat", "/word"]).ok(), "told");
    }
    // As a layout.
    let layout = |directory: &str| {
        let path = bench.path(directory);
        let blob = |digest: &str| {
            let hex = digest.strip_prefix("sha256:").expect("sha256");
            std::fs::read_to_string(path.join("blobs/sha256").join(hex)).expect("it is there")
        };
        let index = json(&std::fs::read_to_string(path.join("index.json")).expect("it is there"));
        check(&blob(index["manifests"][0]["digest"].as_str().expect("a digest")), &blob);
    };
    let output = format!("type=oci,tar=false,dest={}", bench.path("own").display());
    world.teu(["build", "-q", "-o", &output].iter().chain(&said).chain([&&*folder])).ok();
    layout("own");
    // Without being asked, an image is a manifest and nothing more.
    world.teu(["build", "-q", "-t", &own, "--build-arg", "WORD=told", &folder]).ok();
    let kind = world.teu(["image", "inspect", "-f", "{{.Descriptor.mediaType}}", &own]).ok();
    assert!(kind.contains("manifest"), "{kind}");
}
