//! The answer to each request. Only a tree is asked.

use crate::wire::{Bytes, Operation, Request, u32_at};
use crate::{Attributes, Tree};
use rustix::io::Errno;

/// Bytes of a name's record in a listing with attributes, the name not included.
const PLUS_BYTES: usize = 128 + 24;
const PLAIN_BYTES: usize = 24;

/// What follows the head of an answer; `None` where no answer is wanted.
pub fn answer(tree: &dyn Tree, request: &Request<'_>) -> Option<Result<Vec<u8>, Errno>> {
    let mut out = Bytes::default();
    let done = match request.operation {
        Operation::Forget | Operation::Interrupt => return None,
        Operation::Init => init(request, &mut out),
        Operation::Lookup => lookup(tree, request, &mut out),
        Operation::Attributes => tree.attributes(request.node).map(|found| {
            out.attributes(&found);
        }),
        Operation::Target => {
            tree.target(request.node).map(|target| out.0.extend_from_slice(target))
        }
        Operation::Read => read(tree, request, &mut out),
        Operation::Statfs => {
            out.statfs();
            Ok(())
        }
        Operation::Attribute => attribute(tree, request, &mut out),
        Operation::AttributeNames => attribute_names(tree, request, &mut out),
        Operation::Directory => list(tree, request, (&mut out, false)),
        Operation::DirectoryPlus => list(tree, request, (&mut out, true)),
        Operation::Release | Operation::Destroy => Ok(()),
        // Told once, the kernel does without: nothing is opened here, and permissions are its own.
        Operation::Open | Operation::Access | Operation::Other => Err(Errno::NOSYS),
    };
    Some(done.map(|()| out.0))
}

fn init(request: &Request<'_>, out: &mut Bytes) -> Result<(), Errno> {
    let number = |offset| u32_at(request.body, offset).ok_or(Errno::INVAL);
    if number(0)? < 7 {
        return Err(Errno::PROTO);
    }
    out.init(number(8)?, number(12)?);
    Ok(())
}

fn lookup(tree: &dyn Tree, request: &Request<'_>, out: &mut Bytes) -> Result<(), Errno> {
    let name = request.text(0).ok_or(Errno::INVAL)?;
    match tree.lookup(request.node, name) {
        Ok(node) => out.entry(&tree.attributes(node)?),
        Err(Errno::NOENT) => out.no_entry(),
        Err(errno) => return Err(errno),
    };
    Ok(())
}

fn read(tree: &dyn Tree, request: &Request<'_>, out: &mut Bytes) -> Result<(), Errno> {
    let (offset, length) = request.range().ok_or(Errno::INVAL)?;
    tree.read(request.node, offset, length, &mut out.0)
}

/// A value, or its length where no room was given for it.
fn sized(request: &Request<'_>, value: &[u8], out: &mut Bytes) -> Result<(), Errno> {
    let room = usize::try_from(u32_at(request.body, 0).ok_or(Errno::INVAL)?).unwrap_or(0);
    match room {
        0 => {
            out.u32(u32::try_from(value.len()).unwrap_or(u32::MAX)).u32(0);
        }
        room if room < value.len() => return Err(Errno::RANGE),
        _ => out.0.extend_from_slice(value),
    }
    Ok(())
}

fn attribute(tree: &dyn Tree, request: &Request<'_>, out: &mut Bytes) -> Result<(), Errno> {
    let name = request.text(8).ok_or(Errno::INVAL)?;
    sized(request, tree.attribute(request.node, name)?, out)
}

fn attribute_names(tree: &dyn Tree, request: &Request<'_>, out: &mut Bytes) -> Result<(), Errno> {
    let mut names = Vec::new();
    for name in tree.attribute_names(request.node)? {
        names.extend_from_slice(name);
        names.push(0);
    }
    sized(request, &names, out)
}

/// Names of a directory, as many as there is room for.
fn list(
    tree: &dyn Tree,
    request: &Request<'_>,
    (out, plus): (&mut Bytes, bool),
) -> Result<(), Errno> {
    let (position, room) = request.range().ok_or(Errno::INVAL)?;
    let skipped = usize::try_from(position).map_err(|_| Errno::INVAL)?;
    for (number, found) in tree.list(request.node)?.iter().enumerate().skip(skipped) {
        let fixed = if plus { PLUS_BYTES } else { PLAIN_BYTES };
        if out.0.len() + fixed + found.name.len().next_multiple_of(8) > room {
            break;
        }
        let attributes = tree.attributes(found.node)?;
        if plus {
            out.entry(&attributes);
        }
        out.name((found.node, kind(&attributes)), number as u64 + 1, found.name);
    }
    Ok(())
}

/// `d_type`
fn kind(found: &Attributes) -> u32 {
    (found.mode & 0o170_000) >> 12
}
