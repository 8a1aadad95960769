//! A store, a state directory and a context of one test's own; all of it goes with the test.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use teu_builder::{
    BuildRequest, ContextSource, Environment, Error, Event, Outcome, Output, Outside, Progress,
    Stream, WebFile,
};
use teu_images::Store;
use teu_images::remote::{Client, RemoteConfig};
use teu_images::transfer::{Sink, Source};
use teu_oci::image::ImageConfig;
use teu_oci::{Platform, Reference};

/// The way out of a test: to this machine only.
#[derive(Debug)]
struct Web;

impl Outside for Web {
    fn pull(
        &self,
        name: &Reference,
        _: &Platform,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{}: a test has no registry", name.familiar()).into())
    }

    fn push(&self, name: &Reference) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{}: a test has no registry", name.familiar()).into())
    }

    fn source(
        &self,
        name: &Reference,
    ) -> Result<Box<dyn Source + Send>, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{}: a test has no registry", name.familiar()).into())
    }

    fn sink(
        &self,
        name: &Reference,
    ) -> Result<Box<dyn Sink>, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{}: a test has no registry", name.familiar()).into())
    }

    fn get(&self, url: &str) -> Result<WebFile, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Client::new(RemoteConfig::default()).web_file(url)?)
    }
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub images: Store,
}

#[derive(Default)]
pub struct Heard {
    pub events: Vec<Event>,
}

impl Progress for Heard {
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl Heard {
    /// Names of steps that ran, and were not answered by the cache.
    pub fn ran(&self) -> Vec<String> {
        let cached: Vec<u32> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Cached(id) => Some(*id),
                _ => None,
            })
            .collect();
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Started(step) if step.line > 0 && !cached.contains(&step.id) => {
                    Some(step.name.clone())
                }
                _ => None,
            })
            .filter(|name| !name.contains("FROM "))
            .collect()
    }

    /// All that steps wrote.
    pub fn log(&self) -> String {
        let bytes: Vec<u8> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Log { bytes, .. } => Some(bytes.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn wrote_to(&self, wanted: Stream) -> bool {
        self.events.iter().any(|e| matches!(e, Event::Log { stream, .. } if *stream == wanted))
    }
}

pub struct Done {
    pub outcome: Outcome,
    pub heard: Heard,
}

impl Done {
    pub fn id(&self) -> String {
        self.outcome.image_id.as_ref().expect("an image").to_string()
    }

    pub fn config(&self) -> ImageConfig {
        self.outcome.image.as_ref().expect("an image").config.clone()
    }
}

/// What tests start from, made by `scripts/images`.
fn base() -> PathBuf {
    let folder = std::env::var_os("TEU_TEST_IMAGES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.cache/images"),
        PathBuf::from,
    );
    let archive = folder.join("busybox.tar");
    assert!(archive.exists(), "{} is missing: scripts/images busybox", archive.display());
    archive
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("teu-builder-").tempdir().expect("a directory");
        let images = Store::open(&dir.path().join("images")).expect("a store");
        let archive = std::fs::File::open(base()).expect("an archive");
        images.load_file(&archive, None).expect("loads busybox");
        std::fs::create_dir(dir.path().join("context")).expect("makes");
        Self { dir, images }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn context(&self) -> PathBuf {
        self.path("context")
    }

    pub fn file(&self, name: &str, content: &str) -> &Self {
        let path = self.context().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("makes");
        std::fs::write(path, content).expect("writes");
        self
    }

    pub fn mode(&self, name: &str, mode: u32) -> &Self {
        let path = self.context().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmods");
        self
    }

    pub fn link(&self, name: &str, target: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.context().join(name)).expect("links");
        self
    }

    pub fn step_command() -> Vec<String> {
        let exe = std::env::current_exe().expect("a path");
        let dir = exe.parent().and_then(Path::parent).expect("target directory");
        let program = dir.join("examples/teu-build");
        assert!(
            program.exists(),
            "{} is missing: run cargo test -p teu-builder",
            program.display()
        );
        vec![program.to_string_lossy().into_owned(), "build-step".to_owned()]
    }

    pub fn try_request(&self, mut request: BuildRequest) -> (Result<Outcome, Error>, Heard) {
        if matches!(request.context, ContextSource::Empty) {
            request.context = ContextSource::Directory(self.context());
        }
        let state = self.path("build");
        let name = self.dir.path().file_name().expect("a name").to_string_lossy().into_owned();
        let environment = Environment {
            images: &self.images,
            state: &state,
            step_command: Self::step_command(),
            network: None,
            instance: format!("bt-{name}"),
            cache_budget_bytes: 0,
            vault: None,
            outside: Some(&Web),
            cancel: None,
        };
        let mut heard = Heard::default();
        let result = teu_builder::build(request, &environment, &mut heard);
        (result, heard)
    }

    pub fn request(&self, request: BuildRequest) -> Done {
        match self.try_request(request) {
            (Ok(outcome), heard) => Done { outcome, heard },
            (Err(error), heard) => {
                panic!("{}{error}\n{}\n{}", error.excerpt(), error.tail().join("\n"), heard.log())
            }
        }
    }

    /// Builds a Dockerfile given as text.
    pub fn build(&self, dockerfile: &str) -> Done {
        self.file("Dockerfile", dockerfile);
        self.request(BuildRequest::default())
    }

    pub fn fails(&self, dockerfile: &str) -> Error {
        self.file("Dockerfile", dockerfile);
        match self.try_request(BuildRequest::default()).0 {
            Ok(_) => panic!("built: {dockerfile}"),
            Err(error) => error,
        }
    }

    /// Builds into a directory and says what is in it: `mode uid:gid content`.
    pub fn tree(&self, dockerfile: &str) -> BTreeMap<String, String> {
        self.file("Dockerfile", dockerfile);
        let out = tempfile::tempdir_in(self.dir.path()).expect("a directory");
        let output = Output::Local { directory: out.path().to_owned() };
        self.request(BuildRequest { outputs: vec![output], ..BuildRequest::default() });
        let mut found = BTreeMap::new();
        walk(out.path(), out.path(), &mut found);
        found
    }

    /// Every blob of the store, with its name.
    pub fn blobs(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.path("images"), &mut files);
        collect(&self.path("build"), &mut files);
        files
            .into_iter()
            .map(|path| (path.clone(), std::fs::read(path).unwrap_or_default()))
            .collect()
    }
}

fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
        let meta = path.symlink_metadata().expect("metadata");
        let content = if meta.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).expect("a link").display())
        } else if meta.is_dir() {
            "dir".to_owned()
        } else {
            String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned()
        };
        let mode = if meta.is_symlink() { 0 } else { meta.mode() & 0o7777 };
        found.insert(name, format!("{mode:o} {}:{} {content}", meta.uid(), meta.gid()));
        if meta.is_dir() {
            walk(root, &path, found);
        }
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, files),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}
