//! Which devices may be used: v1 allow and deny lists, or a small eBPF program on the v2 group.
//!
//! To the bundle's rules the field's default ones are added at the end, as runc and crun do: a
//! container without `/dev/null` is no use. A rule of type `a` means every device and so voids what
//! stood before it.

use super::plan::Place;
use super::{Cgroup, Error};
use std::os::fd::AsFd;
use teu_oci::runtime::linux::DeviceRule;

pub mod program;
#[cfg(test)]
mod tests;

/// Most rules taken: a v2 program may have 4096 instructions, and a rule needs up to seven.
const MAX_RULES: usize = 500;

/// A rule with every default filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Allowed, or denied.
    pub allow: bool,
    /// Which nodes.
    pub kind: Kind,
    /// Major number, any when absent.
    pub major: Option<u32>,
    /// Minor number, any when absent.
    pub minor: Option<u32>,
    /// Bits of [`MKNOD`], [`READ`], [`WRITE`].
    pub access: u8,
}

/// Kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every device there is.
    All,
    /// Character devices.
    Character,
    /// Block devices.
    Block,
}

/// Making the node; as in the kernel's `BPF_DEVCG_ACC_*`.
pub const MKNOD: u8 = 1;
/// Reading.
pub const READ: u8 = 2;
/// Writing.
pub const WRITE: u8 = 4;

impl Rule {
    /// Fills in defaults and refuses nonsense.
    pub fn parse(rule: &DeviceRule) -> Result<Self, Error> {
        let fail = |reason| Err(Error::DeviceRule { rule: format!("{rule:?}"), reason });
        let kind = match rule.kind.as_deref() {
            None | Some("" | "a") => Kind::All,
            Some("c" | "u") => Kind::Character,
            Some("b") => Kind::Block,
            Some(_) => return fail("the type is one of a, b, c"),
        };
        let mut access = 0;
        for letter in rule.access.as_deref().filter(|a| !a.is_empty()).unwrap_or("rwm").chars() {
            access |= match letter {
                'r' => READ,
                'w' => WRITE,
                'm' => MKNOD,
                _ => return fail("access consists of the letters r, w, m"),
            };
        }
        let number = |value: Option<i64>| match value {
            None | Some(-1) => Ok(None),
            Some(value) => u32::try_from(value).map(Some),
        };
        let (Ok(major), Ok(minor)) = (number(rule.major), number(rule.minor)) else {
            return fail("a device number is between 0 and 4294967295, or -1 for any");
        };
        if kind == Kind::All {
            // The kernel's lists know `a` only as everything.
            return Ok(Self { allow: rule.allow, kind, major: None, minor: None, access: 7 });
        }
        Ok(Self { allow: rule.allow, kind, major, minor, access })
    }

    /// The line of v1's `devices.allow` and `devices.deny`.
    #[must_use]
    pub fn line(&self) -> String {
        let kind = match self.kind {
            Kind::All => return "a".to_owned(),
            Kind::Character => 'c',
            Kind::Block => 'b',
        };
        let number =
            |value: Option<u32>| value.map_or_else(|| "*".to_owned(), |value| value.to_string());
        let mut access = String::new();
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if self.access & bit != 0 {
                access.push(letter);
            }
        }
        format!("{kind} {}:{} {access}", number(self.major), number(self.minor))
    }
}

/// What every container may use: making any node (without opening it), and the harmless devices.
#[must_use]
pub fn default_rules() -> Vec<DeviceRule> {
    let rule = |kind: &str, major, minor, access: &str| DeviceRule {
        allow: true,
        kind: Some(kind.to_owned()),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    let mut rules = vec![rule("c", None, None, "m"), rule("b", None, None, "m")];
    // null, zero, full, random, urandom, tty, console, ptmx, and the slaves of any devpts.
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)] {
        rules.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    rules.push(rule("c", Some(136), None, "rwm"));
    rules
}

/// Whether a list restricts anything.
pub fn needed(rules: &[DeviceRule]) -> bool {
    effective(rules).is_ok_and(|rules| rules.iter().any(|rule| !rule.allow))
}

/// The rules that count: from the last one about everything, with the defaults at the end.
fn effective(rules: &[DeviceRule]) -> Result<Vec<Rule>, Error> {
    let mut parsed = rules.iter().map(Rule::parse).collect::<Result<Vec<_>, _>>()?;
    if let Some(at) = parsed.iter().rposition(|rule| rule.kind == Kind::All) {
        parsed.drain(..at);
    }
    if parsed.len() > MAX_RULES {
        let rule = format!("{} rules", parsed.len());
        return Err(Error::DeviceRule { rule, reason: "more than 500 rules" });
    }
    if parsed.iter().any(|rule| !rule.allow) {
        for rule in &default_rules() {
            let rule = Rule::parse(rule)?;
            if !parsed.contains(&rule) {
                parsed.push(rule);
            }
        }
    }
    Ok(parsed)
}

/// Puts the rules in force, in place of those before.
pub fn apply(group: &Cgroup, rules: &[DeviceRule]) -> Result<(), Error> {
    if rules.is_empty() {
        return Ok(());
    }
    let restricts = needed(rules);
    let rules = effective(rules)?;
    if let Some(directory) = group.v1("devices") {
        return apply_v1(&directory, &rules);
    }
    let own_user_namespace = teu_sys::namespace::is_own_user_namespace();
    if group.layout.hierarchy("devices").is_none()
        && group.unified().is_some()
        && !own_user_namespace
    {
        return apply_unified(group, &rules, restricts);
    }
    // Where only lent nodes exist and none can be made, there is nothing to keep from.
    if restricts && !own_user_namespace {
        return Err(Error::NoController { controller: "devices", field: "devices" });
    }
    Ok(())
}

fn apply_v1(directory: &std::path::Path, rules: &[Rule]) -> Result<(), Error> {
    let open = |name: &str| {
        let path = directory.join(name);
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.map_err(|source| Error::Write { path, source })
    };
    let (allow, deny) = (open("devices.allow")?, open("devices.deny")?);
    for rule in rules {
        let (mut file, name) = match rule.allow {
            true => (&allow, "devices.allow"),
            false => (&deny, "devices.deny"),
        };
        let value = rule.line();
        std::io::Write::write_all(&mut file, value.as_bytes()).map_err(|source| Error::Set {
            field: "devices",
            path: directory.join(name),
            value,
            source,
        })?;
    }
    Ok(())
}

/// On the v2 group, whatever v1 does beside it.
pub(super) fn apply_unified(group: &Cgroup, rules: &[Rule], restricts: bool) -> Result<(), Error> {
    let path = group.directory(Place::Unified);
    let failed = |source: std::io::Error| Error::DeviceProgram { path: path.clone(), source };
    let directory = std::fs::File::open(&path).map_err(failed)?;
    let before =
        teu_sys::bpf::device_programs(directory.as_fd()).map_err(|errno| failed(errno.into()))?;
    if restricts {
        let program = program::build(rules);
        let program =
            teu_sys::bpf::load_device_program(&program).map_err(|errno| failed(errno.into()))?;
        teu_sys::bpf::attach_device_program(directory.as_fd(), program.as_fd())
            .map_err(|errno| failed(errno.into()))?;
    }
    // All attached programs must agree, so the old ones go after the new one is there: never
    // is the group without a filter.
    for old in before {
        teu_sys::bpf::detach_device_program(directory.as_fd(), old.as_fd())
            .map_err(|errno| failed(errno.into()))?;
    }
    Ok(())
}
