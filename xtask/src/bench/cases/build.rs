//! Builds of a Dockerfile with ten steps, cold and cached.

use super::super::incumbents::{self, text};
use super::super::measure::{Contestant, in_turns};
use super::super::shell::Shell;
use super::super::{Row, World};
use super::{add, docker, rows};
use anyhow::Result;

const DOCKERFILE: &str = "\
FROM busybox:latest
ENV A=1
WORKDIR /app
COPY one.txt .
RUN cat one.txt > two.txt
RUN i=0; while [ $i -lt 100 ]; do echo $i > file$i; i=$((i+1)); done
COPY src src
RUN cp -r src copy && rm -rf copy/0.txt
RUN echo app:x:1000:1000::/:/bin/sh >> /etc/passwd && chown -R 1000 src
USER app
RUN id > /tmp/id
CMD [\"cat\", \"/tmp/id\"]
";

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let context = world.scratch.join("context");
    std::fs::create_dir_all(context.join("src"))?;
    std::fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    std::fs::write(context.join("one.txt"), "one\n")?;
    for number in 0..200 {
        let line = format!("{number}\n").repeat(200);
        std::fs::write(context.join(format!("src/{number}.txt")), line)?;
    }
    let context = text(&context);
    let mut found = Vec::new();
    for (case, cached) in
        [("build of ten steps, cold", false), ("build of ten steps, cached", true)]
    {
        let cold = if cached { "" } else { "--no-cache " };
        let shell = Shell::alone(&world.scratch)?;
        let (shell, teu) = incumbents::teu(world, shell, "busybox.tar")?;
        let command = format!("{teu} build {cold}-q -t ten {context}");
        let mut list = vec![Contestant::new("teu", shell, command)];
        if world.options.has("buildah") {
            let made = incumbents::buildah(world).map(|(shell, command)| {
                let build =
                    format!("{command} bud --layers {cold}--pull-never -q -t ten {context}");
                Contestant::new("buildah bud", shell, build)
            });
            add(&mut list, "buildah", made);
        }
        let docker = docker(world, "busybox.tar");
        if let Some(docker) = &docker {
            let build = format!("{} build {cold}-q -t ten {context}", docker.command);
            list.push(Contestant::new("docker build", Shell::plain(&world.scratch)?, build));
        }
        let rounds = if cached { world.options.rounds } else { world.options.rounds.min(8) };
        found.extend(rows(case, in_turns(rounds, list)));
    }
    Ok(found)
}
