//! `teu system df`: every byte, and with `-v` what keeps it.

use super::created_ns;
use crate::context::{Context, out_is_terminal};
use crate::failure::Result;
use crate::flags::Matches;
use crate::output::{Listing, Row, Style};
use crate::text::{plain, quoted, short_id};
use crate::time;
use crate::units::human_size;
use serde_json::Value;
use teu_builder::RecordUsage;
use teu_containers::VolumeUsage;
use teu_containers::list::{ListOptions, Summary};
use teu_containers::state::Status;
use teu_images::Usage;
use teu_oci::Digest;

struct Facts {
    images: Usage,
    in_use: Vec<(Digest, String)>,
    containers: Vec<Summary>,
    volumes: Vec<VolumeUsage>,
    cache: Vec<RecordUsage>,
}

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let options = ListOptions { all: true, size: true, ..ListOptions::default() };
    let store = ctx.images()?;
    let facts = Facts {
        images: store.usage()?,
        in_use: containers.images_in_use()?,
        containers: containers.list(&options)?,
        volumes: containers.volume_usage()?,
        cache: teu_builder::usage(&ctx.home().data.join("build"), store)?,
    };
    let format = matches.nonempty("format");
    if matches.switch("verbose") {
        return verbose(ctx, &facts, format);
    }
    let listing = Listing {
        heads: &[
            ("Type", "TYPE"),
            ("TotalCount", "TOTAL"),
            ("Active", "ACTIVE"),
            ("Size", "SIZE"),
            ("Reclaimable", "RECLAIMABLE"),
        ],
        shown: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
        quiet: "Type",
        rows: facts.summary(),
    };
    ctx.list(&listing, Style { format, ..Style::default() })?;
    Ok(0)
}

fn summary_row(kind: &str, total: usize, active: usize, size: u64, reclaimable: u64) -> Row {
    let share = match size {
        0 => String::new(),
        size => format!(" ({}%)", u128::from(reclaimable) * 100 / u128::from(size)),
    };
    let reclaimable = format!("{}{share}", human_size(reclaimable, 4));
    Row::new()
        .field("Active", active.to_string())
        .field("Reclaimable", reclaimable)
        .field("Size", human_size(size, 4))
        .field("TotalCount", total.to_string())
        .field("Type", kind)
}

impl Facts {
    fn summary(&self) -> Vec<Row> {
        let used = |id: &Digest| self.in_use.iter().any(|(known, _)| known == id);
        let active = self.images.images.iter().filter(|image| used(&image.id)).count();
        let idle: u64 = self
            .images
            .images
            .iter()
            .filter(|image| !used(&image.id))
            .map(|image| image.unique_bytes)
            .sum();
        let cache: u64 = self.cache.iter().map(|record| record.size_bytes).sum();
        let idle_cache: u64 =
            self.cache.iter().filter(|r| !r.in_use).map(|record| record.size_bytes).sum();
        let images = self.images.total_bytes.saturating_sub(cache);
        let runs = |container: &&Summary| {
            matches!(container.state.status, Status::Running | Status::Paused | Status::Restarting)
        };
        let size = |container: &Summary| container.size.map_or(0, |size| size.writable_bytes);
        let containers: u64 = self.containers.iter().map(size).sum();
        let idle_containers: u64 = self.containers.iter().filter(|c| !runs(c)).map(size).sum();
        let volumes: u64 = self.volumes.iter().map(|usage| usage.size_bytes).sum();
        let idle_volumes: u64 = self
            .volumes
            .iter()
            .filter(|usage| usage.containers.is_empty())
            .map(|usage| usage.size_bytes)
            .sum();
        let reclaimable = (idle + self.images.unreferenced_bytes).min(images);
        vec![
            summary_row("Images", self.images.images.len(), active, images, reclaimable),
            summary_row(
                "Containers",
                self.containers.len(),
                self.containers.iter().filter(runs).count(),
                containers,
                idle_containers,
            ),
            summary_row(
                "Local Volumes",
                self.volumes.len(),
                self.volumes.iter().filter(|usage| !usage.containers.is_empty()).count(),
                volumes,
                idle_volumes,
            ),
            summary_row(
                "Build Cache",
                self.cache.len(),
                self.cache.iter().filter(|record| record.in_use).count(),
                cache,
                idle_cache,
            ),
        ]
    }
}

fn verbose(ctx: &Context, facts: &Facts, format: Option<&str>) -> Result<u8> {
    let now = time::now_ns();
    let sections = [
        ("Images space usage:", images(facts, now)),
        ("Kept by leases (containers, build cache):", leases(facts)),
        ("Containers space usage:", containers(facts, now)),
        ("Local Volumes space usage:", volumes(facts)),
        ("Build cache usage:", cache(facts, now)),
    ];
    if format == Some("json") {
        let mut document = serde_json::Map::new();
        let keys = ["Images", "Leases", "Containers", "Volumes", "BuildCache"];
        for (key, (_, listing)) in keys.iter().zip(&sections) {
            let style = Style { format: Some("json"), ..Style::default() };
            let lines = listing.render(style)?;
            let rows: std::result::Result<Vec<Value>, _> =
                lines.lines().map(serde_json::from_str).collect();
            document.insert((*key).to_owned(), Value::Array(rows?));
        }
        document.insert("UnreferencedBytes".into(), facts.images.unreferenced_bytes.into());
        ctx.line(&Value::Object(document).to_string())?;
        return Ok(0);
    }
    for (title, listing) in &sections {
        ctx.print(&format!("{title}\n\n"))?;
        ctx.list(listing, Style { format, ..Style::default() })?;
        ctx.print("\n")?;
    }
    let kept = human_size(facts.images.unreferenced_bytes, 4);
    let line = format!("Kept by nothing (teu image prune gives it back): {kept}\n");
    ctx.print(
        if out_is_terminal() { plain(&line[..line.len() - 1]).into_owned() + "\n" } else { line }
            .as_str(),
    )?;
    Ok(0)
}

fn images(facts: &Facts, now: i64) -> Listing<'static> {
    let mut rows = Vec::new();
    for image in &facts.images.images {
        let users = facts.in_use.iter().filter(|(id, _)| *id == image.id).count();
        let name = image.names.first();
        let none = || "<none>".to_owned();
        rows.push(
            Row::new()
                .field("Repository", name.map_or_else(none, teu_oci::Reference::familiar_name))
                .field("Tag", name.and_then(|name| name.tag.clone()).unwrap_or_else(none))
                .field("ID", short_id(image.id.as_str()))
                .field("CreatedSince", time::ago(created_ns(image.created.as_deref()), now))
                .field("Size", human_size(image.total_bytes, 4))
                .field("SharedSize", human_size(image.shared_bytes, 4))
                .field("UniqueSize", human_size(image.unique_bytes, 4))
                .field("Containers", users.to_string()),
        );
    }
    Listing {
        heads: &[
            ("Repository", "REPOSITORY"),
            ("Tag", "TAG"),
            ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"),
            ("Size", "SIZE"),
            ("SharedSize", "SHARED SIZE"),
            ("UniqueSize", "UNIQUE SIZE"),
            ("Containers", "CONTAINERS"),
        ],
        shown: &[
            "Repository",
            "Tag",
            "ID",
            "CreatedSince",
            "Size",
            "SharedSize",
            "UniqueSize",
            "Containers",
        ],
        quiet: "ID",
        rows,
    }
}

fn leases(facts: &Facts) -> Listing<'static> {
    let row = |lease: &teu_images::LeaseUsage| {
        Row::new()
            .field("Name", lease.name.as_str())
            .field("Size", human_size(lease.total_bytes, 4))
            .field("UniqueSize", human_size(lease.unique_bytes, 4))
    };
    Listing {
        heads: &[("Name", "LEASE"), ("Size", "SIZE"), ("UniqueSize", "UNIQUE SIZE")],
        shown: &["Name", "Size", "UniqueSize"],
        quiet: "Name",
        rows: facts.images.leases.iter().map(row).collect(),
    }
}

fn containers(facts: &Facts, now: i64) -> Listing<'static> {
    let row = |container: &Summary| {
        let size = container.size.map_or(0, |size| size.writable_bytes);
        let command = quoted(&crate::text::ellipsis(&container.command.join(" "), 20));
        Row::new()
            .field("ID", short_id(&container.id))
            .field("Image", container.image.as_str())
            .field("Command", command)
            .field("LocalVolumes", container.mounts.len().to_string())
            .field("Size", human_size(size, 4))
            .field("RunningFor", time::ago(container.created_ns, now))
            .field("Status", teu_containers::state::status_line(&container.state, now))
            .field("Names", container.name.as_str())
    };
    Listing {
        heads: &[
            ("ID", "CONTAINER ID"),
            ("Image", "IMAGE"),
            ("Command", "COMMAND"),
            ("LocalVolumes", "LOCAL VOLUMES"),
            ("Size", "SIZE"),
            ("RunningFor", "CREATED"),
            ("Status", "STATUS"),
            ("Names", "NAMES"),
        ],
        shown: &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"],
        quiet: "ID",
        rows: facts.containers.iter().map(row).collect(),
    }
}

fn volumes(facts: &Facts) -> Listing<'static> {
    let row = |usage: &VolumeUsage| {
        Row::new()
            .field("Name", usage.volume.name())
            .field("Links", usage.containers.len().to_string())
            .field("Size", human_size(usage.size_bytes, 4))
            .field("KeptBy", usage.containers.join(","))
    };
    Listing {
        heads: &[
            ("Name", "VOLUME NAME"),
            ("Links", "LINKS"),
            ("Size", "SIZE"),
            ("KeptBy", "KEPT BY"),
        ],
        shown: &["Name", "Links", "Size", "KeptBy"],
        quiet: "Name",
        rows: facts.volumes.iter().map(row).collect(),
    }
}

fn cache(facts: &Facts, now: i64) -> Listing<'static> {
    Listing {
        heads: crate::commands::builder::HEADS,
        shown: crate::commands::builder::SHOWN,
        quiet: "ID",
        rows: facts.cache.iter().map(|record| crate::commands::builder::row(record, now)).collect(),
    }
}
