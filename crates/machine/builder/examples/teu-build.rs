//! A build and nothing else, for the tests and benches of this crate: no command line library, no
//! network. `teu-build STATE IMAGES [--load FILE] [-f FILE] [-t NAME] [-o OUTPUT] [--target STAGE]
//! [--build-arg N=V] [--secret ID=FILE] [--no-cache] [--epoch SECONDS] CONTEXT`, or `build-step`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people who test")]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use teu_builder::{
    BuildRequest, ContextSource, DockerfileSource, Environment, Event, Progress, Secret,
    SecretSource,
};
use teu_images::Store;

struct Plain;

impl Progress for Plain {
    fn event(&mut self, event: Event) {
        match event {
            Event::Started(step) => println!("#{} {}", step.id, step.name),
            Event::Cached(step) => println!("#{step} CACHED"),
            Event::Done { step, elapsed } => println!("#{step} DONE {elapsed:.3?}"),
            Event::Failed { step, error } => println!("#{step} ERROR: {error}"),
            Event::Canceled(step) => println!("#{step} CANCELED"),
            Event::Note { step, text } => println!("#{step} {text}"),
            Event::Log { bytes, .. } => drop(std::io::stdout().write_all(&bytes)),
            Event::Warning { message, .. } => eprintln!("warning: {message}"),
            Event::Planned { .. } => {}
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let state = arguments.next().unwrap_or_default();
    if state == "build-step" {
        return ExitCode::from(teu_builder::build_step());
    }
    match run(PathBuf::from(state), arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(state: PathBuf, mut arguments: impl Iterator<Item = String>) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut next = || arguments.next();
    let images = Store::open(&PathBuf::from(next().unwrap_or_default())).map_err(|e| text(&e))?;
    let mut request = BuildRequest::default();
    while let Some(argument) = next() {
        let pair = |value: Option<String>| {
            let value = value.unwrap_or_default();
            let (name, value) = value.split_once('=').unwrap_or((&value, ""));
            (name.to_owned(), value.to_owned())
        };
        match argument.as_str() {
            "--load" => {
                let file = std::fs::File::open(next().unwrap_or_default()).map_err(|e| text(&e))?;
                images.load_file(&file, None).map_err(|e| text(&e))?;
            }
            "-f" => request.dockerfile = DockerfileSource::Path(next().unwrap_or_default().into()),
            "-t" => request.tags.push(next().unwrap_or_default().parse().map_err(|e| text(&e))?),
            "-o" => request.outputs.push(next().unwrap_or_default().parse().map_err(|e| text(&e))?),
            "--target" => request.target = next(),
            "--build-arg" => request.build_args.push(pair(next())),
            "--secret" => {
                let (id, file) = pair(next());
                request.secrets.push(Secret { id, source: SecretSource::File(file.into()) });
            }
            "--no-cache" => request.no_cache = true,
            "--epoch" => request.source_date_epoch = next().and_then(|value| value.parse().ok()),
            context => request.context = ContextSource::Directory(context.into()),
        }
    }
    let home = state.parent().and_then(std::path::Path::file_name).unwrap_or_default();
    let environment = Environment {
        images: &images,
        state: &state,
        step_command: vec!["/proc/self/exe".to_owned(), "build-step".to_owned()],
        network: None,
        instance: format!("bt-{}", home.to_string_lossy()),
        cache_budget_bytes: 0,
        vault: None,
        outside: None,
        cancel: None,
    };
    let outcome = teu_builder::build(request, &environment, &mut Plain)
        .map_err(|error| format!("{}{error}\n{}", error.excerpt(), error.tail().join("\n")))?;
    let id = outcome.image_id.map(|id| id.to_string()).unwrap_or_default();
    Ok(format!("{id} steps {} cached {}", outcome.steps, outcome.cached))
}
