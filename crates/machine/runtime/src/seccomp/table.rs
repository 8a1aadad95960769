//! Architectures and the numbers of their system calls.

mod numbers;

use numbers::NUMBERS;

/// Bit that marks an x32 call in an x86-64 process.
pub const X32_BIT: u32 = 0x4000_0000;

/// An architecture whose code may run in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arch {
    X86_64,
    X86,
    X32,
    Aarch64,
    Arm,
}

impl Arch {
    /// What this program was built for.
    #[must_use]
    pub const fn native() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// `AUDIT_ARCH_…`, which the kernel gives to filters; x32 shares that of x86-64.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Arguments have 32 bits.
    #[must_use]
    pub const fn is_narrow(self) -> bool {
        matches!(self, Self::X86 | Self::Arm)
    }

    /// Whether a kernel of `native` runs this architecture's code.
    #[must_use]
    pub const fn runs_on(self, native: Self) -> bool {
        match native {
            Self::X86_64 => matches!(self, Self::X86_64 | Self::X86 | Self::X32),
            Self::Aarch64 => matches!(self, Self::Aarch64 | Self::Arm),
            _ => false,
        }
    }

    /// libseccomp's name; the error is for a name nobody knows, none for one without use here.
    pub fn parse(name: &str) -> Result<Option<Self>, Unknown> {
        Ok(match name {
            "SCMP_ARCH_NATIVE" => Some(Self::native()),
            "SCMP_ARCH_X86_64" => Some(Self::X86_64),
            "SCMP_ARCH_X86" => Some(Self::X86),
            "SCMP_ARCH_X32" => Some(Self::X32),
            "SCMP_ARCH_AARCH64" => Some(Self::Aarch64),
            "SCMP_ARCH_ARM" => Some(Self::Arm),
            name if OTHERS.contains(&name) => None,
            _ => return Err(Unknown),
        })
    }
}

/// A name that is no architecture's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

/// Architectures that exist and that no kernel we run on can execute.
const OTHERS: [&str; 20] = [
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV32",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
    "SCMP_ARCH_TILEGX",
];

/// Calls of ARM outside its table.
const ARM_PRIVATE: [(&str, u32); 6] = [
    ("breakpoint", 0x0f_0001),
    ("cacheflush", 0x0f_0002),
    ("usr26", 0x0f_0003),
    ("usr32", 0x0f_0004),
    ("set_tls", 0x0f_0005),
    ("get_tls", 0x0f_0006),
];

/// Numbers of one name on every architecture.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    name: &'a str,
    at: Option<usize>,
}

impl<'a> Numbers<'a> {
    /// Looks a name up once for all architectures.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        let mut slot = slot(name.as_bytes());
        loop {
            let at = usize::from(INDEX[slot]);
            if at == EMPTY {
                return Self { name, at: None };
            }
            if NUMBERS[at].0 == name {
                return Self { name, at: Some(at) };
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The number as filters see it; none where the architecture has no such call.
    #[must_use]
    pub fn on(&self, arch: Arch) -> Option<u32> {
        let listed = self.at.and_then(|at| u32::try_from(NUMBERS[at].1[arch as usize]).ok());
        match (arch, listed) {
            (Arch::X32, Some(number)) => Some(number | X32_BIT),
            (Arch::Arm, None) => {
                ARM_PRIVATE.iter().find(|(name, _)| *name == self.name).map(|(_, number)| *number)
            }
            (_, listed) => listed,
        }
    }

    /// The multiplexing call of 32-bit x86 and the value of its first argument.
    #[must_use]
    pub fn multiplexed(&self) -> Option<(u32, u64)> {
        let at = usize::from(MULTIPLEXED_AT[self.at?]);
        (at < MULTIPLEXED.len()).then(|| (MULTIPLEXED[at].1, MULTIPLEXED[at].2))
    }
}

/// Slots of the index: four times as many as names, so that few share one.
const SLOTS: usize = 2048;
const EMPTY: usize = u16::MAX as usize;

/// Where each name stands in the table, by a hash of it: profiles name hundreds of calls, and are
/// compiled at every start of a container.
static INDEX: [u16; SLOTS] = index();

/// Which of [`MULTIPLEXED`] each name of the table is.
static MULTIPLEXED_AT: [u8; NUMBERS.len()] = multiplexed_at();

/// FNV-1a.
const fn slot(name: &[u8]) -> usize {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash as usize % SLOTS
}

const fn index() -> [u16; SLOTS] {
    let (mut index, mut at) = ([EMPTY as u16; SLOTS], 0);
    while at < NUMBERS.len() {
        let mut slot = slot(NUMBERS[at].0.as_bytes());
        while index[slot] as usize != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = at as u16;
        at += 1;
    }
    index
}

const fn multiplexed_at() -> [u8; NUMBERS.len()] {
    let (mut found, mut at) = ([u8::MAX; NUMBERS.len()], 0);
    while at < NUMBERS.len() {
        let mut other = 0;
        while other < MULTIPLEXED.len() {
            if same(NUMBERS[at].0.as_bytes(), MULTIPLEXED[other].0.as_bytes()) {
                found[at] = other as u8;
            }
            other += 1;
        }
        at += 1;
    }
    found
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len()
}

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

/// 32-bit x86 also reaches these by one call whose first argument says which. Sorted by name.
const MULTIPLEXED: [(&str, u32, u64); 32] = [
    ("accept", SOCKETCALL, 5),
    ("accept4", SOCKETCALL, 18),
    ("bind", SOCKETCALL, 2),
    ("connect", SOCKETCALL, 3),
    ("getpeername", SOCKETCALL, 7),
    ("getsockname", SOCKETCALL, 6),
    ("getsockopt", SOCKETCALL, 15),
    ("listen", SOCKETCALL, 4),
    ("msgctl", IPC, 14),
    ("msgget", IPC, 13),
    ("msgrcv", IPC, 12),
    ("msgsnd", IPC, 11),
    ("recv", SOCKETCALL, 10),
    ("recvfrom", SOCKETCALL, 12),
    ("recvmmsg", SOCKETCALL, 19),
    ("recvmsg", SOCKETCALL, 17),
    ("semctl", IPC, 3),
    ("semget", IPC, 2),
    ("semop", IPC, 1),
    ("semtimedop", IPC, 4),
    ("send", SOCKETCALL, 9),
    ("sendmmsg", SOCKETCALL, 20),
    ("sendmsg", SOCKETCALL, 16),
    ("sendto", SOCKETCALL, 11),
    ("setsockopt", SOCKETCALL, 14),
    ("shmat", IPC, 21),
    ("shmctl", IPC, 24),
    ("shmdt", IPC, 22),
    ("shmget", IPC, 23),
    ("shutdown", SOCKETCALL, 13),
    ("socket", SOCKETCALL, 1),
    ("socketpair", SOCKETCALL, 8),
];
