//! Device programs of cgroup v2: loaded, attached, found and detached by `bpf(2)`.
//!
//! No maps, no other types of program: what a program may do is decided by the caller's bytes and
//! checked by the kernel's verifier.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

const BPF_PROG_LOAD: u32 = 5;
const BPF_PROG_ATTACH: u32 = 8;
const BPF_PROG_DETACH: u32 = 9;
const BPF_PROG_GET_FD_BY_ID: u32 = 13;
const BPF_PROG_QUERY: u32 = 16;

const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// Programs a group can have; the kernel's own limit.
const MAX_ATTACHED: usize = 64;

/// Arguments of `BPF_PROG_LOAD`, as far as we set them; the kernel takes the rest as zero.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// Arguments of `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Arguments of `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// Arguments of `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`, one word an instruction.
pub fn load_device_program(instructions: &[u64]) -> Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut arguments = Load {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Load::default()
    };
    let fd = call(BPF_PROG_LOAD, &mut arguments)?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a program to a v2 group, beside those that are there.
pub fn attach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut arguments = attach(group, program);
    arguments.flags = BPF_F_ALLOW_MULTI;
    call(BPF_PROG_ATTACH, &mut arguments).map(drop)
}

/// Detaches one program.
pub fn detach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    call(BPF_PROG_DETACH, &mut attach(group, program)).map(drop)
}

/// The programs attached to a group itself.
pub fn device_programs(group: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MAX_ATTACHED];
    let mut arguments = Query {
        target: number(group.as_raw_fd()),
        attach_type: BPF_CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: 64,
        ..Query::default()
    };
    call(BPF_PROG_QUERY, &mut arguments)?;
    let count = usize::try_from(arguments.count).map_or(0, |count| count.min(MAX_ATTACHED));
    let open = |id: &u32| {
        let fd = call(BPF_PROG_GET_FD_BY_ID, &mut ById { id: *id, ..ById::default() })?;
        // SAFETY: the kernel has just returned this descriptor, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    ids[..count].iter().map(open).collect()
}

fn attach(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Attach {
    Attach {
        target: number(group.as_raw_fd()),
        program: number(program.as_raw_fd()),
        attach_type: BPF_CGROUP_DEVICE,
        flags: 0,
    }
}

fn number(fd: RawFd) -> u32 {
    fd.cast_unsigned()
}

/// One `bpf(2)`; descriptors it returns are close-on-exec by the kernel's choice.
fn call<T>(command: u32, arguments: &mut T) -> Result<RawFd> {
    let size = size_of::<T>();
    // SAFETY: `arguments` is one of the `repr(C)` structs above, laid out as the head of the
    // kernel's `union bpf_attr` for this command, exclusively borrowed and `size` bytes long. The
    // addresses inside (instructions, licence, ids) belong to buffers that the callers keep alive
    // and that are as long as the counts beside them say; the kernel writes only to `ids`.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(arguments), size) };
    RawFd::try_from(crate::checked(returned)?).map_err(|_| Errno::OVERFLOW)
}
