//! What can go wrong between a bundle and a running process, and the exit code it means.

use std::fmt;
use std::path::PathBuf;

/// The program itself could not be executed.
pub const EXIT_NOT_EXECUTABLE: i32 = 126;
/// The program does not exist.
pub const EXIT_NOT_FOUND: i32 = 127;
/// Everything else.
pub const EXIT_OURS: i32 = 125;

/// Errors of launching and of executing in a container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification asks for something that makes no sense.
    #[error("config.json: {field}: {problem}")]
    Invalid {
        /// Where, as in the document (`linux.namespaces`).
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Something on the host that the container needs cannot be had.
    #[error("{what} {}", path.display())]
    Host {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A system call of the parent's failed.
    #[error("cannot {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A step inside the container failed.
    #[error("{stage}{}", Subject(subject))]
    Inside {
        /// Which step.
        stage: Stage,
        /// On what: a path in the container, a name.
        subject: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The program is not in the container.
    #[error("exec: \"{command}\": {}", if command.contains('/') { "stat: no such file or directory" } else { "executable file not found in $PATH" })]
    CommandNotFound {
        /// As asked for.
        command: String,
    },
    /// The program cannot be executed.
    #[error("exec: \"{command}\"")]
    CommandNotExecutable {
        /// As asked for.
        command: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The first process ended before it said that all was well.
    #[error(
        "the container's first process ended unexpectedly {during} ({how}): see the kernel log"
    )]
    InitDied {
        /// In which phase.
        during: &'static str,
        /// Exit code or signal.
        how: String,
    },
    /// A hook failed.
    #[error("{kind} hook {}: {problem}", path.display())]
    Hook {
        /// `prestart`, `createRuntime`, …
        kind: &'static str,
        /// Program.
        path: PathBuf,
        /// Exit code, signal, time-out, and what it wrote to its standard error.
        problem: String,
    },
    /// A hook that runs in the container's first process failed.
    #[error("{problem}")]
    HookInside {
        /// Which, and what it said.
        problem: String,
    },
    /// Limits could not be applied.
    #[error(transparent)]
    Cgroup(#[from] crate::cgroup::Error),
    /// The filter of system calls could not be made; a container never starts without it.
    #[error(transparent)]
    Seccomp(#[from] crate::seccomp::Error),
}

impl Error {
    /// What a command line exits with: 126 and 127 for the container's program, 125 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::CommandNotFound { .. } => EXIT_NOT_FOUND,
            Self::CommandNotExecutable { .. } => EXIT_NOT_EXECUTABLE,
            _ => EXIT_OURS,
        }
    }

    /// The message with all its causes, for a person, in the field's words (dockerd, podman and
    /// containerd look for some of them).
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let words = match error.downcast_ref::<std::io::Error>() {
                Some(error) => plain(error),
                None => error.to_string(),
            };
            text = format!("{text}: {words}");
            cause = error.source();
        }
        text
    }
}

/// The kernel's reason as other runtimes print it: `permission denied`.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Something that was asked for and left out without failing the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

struct Subject<'a>(&'a str);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, " {}", self.0) }
    }
}

macro_rules! stages {
    ($($name:ident = $text:literal,)*) => {
        /// Steps of the first process, in the words of an error message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the texts beside say it")]
        pub enum Stage { $($name,)* }

        impl Stage {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// In words.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// From the number that travelled.
            #[must_use]
            pub fn from_number(number: u8) -> Option<Self> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }
    };
}

stages! {
    Protocol = "talking to the runtime",
    Cgroup = "entering the control group",
    Namespace = "entering namespace",
    UserMapping = "becoming root of the user namespace",
    TimeOffsets = "setting the clocks of the time namespace",
    Session = "starting a session",
    Keyring = "joining a session keyring",
    Propagation = "setting the propagation of",
    Root = "mounting the root file system",
    MountSource = "opening the source of the mount at",
    MountTarget = "making the target of the mount at",
    Mount = "mounting",
    MountOptions = "setting the options of the mount at",
    CopyUp = "copying the content beneath the tmpfs at",
    Device = "making device",
    Link = "making link",
    Console = "setting up the console",
    Pivot = "changing the root to the container's",
    ReadOnlyRoot = "making the root read-only",
    Mask = "masking",
    ReadOnlyPath = "making read-only",
    Sysctl = "setting sysctl",
    Hostname = "setting the host name",
    Domainname = "setting the domain name",
    Hook = "running hook",
    Label = "setting the security label",
    Personality = "setting the personality",
    Scheduler = "setting the scheduling policy",
    IoPriority = "setting the I/O priority",
    Rlimit = "setting limit",
    OomScore = "setting the OOM score",
    Stdio = "setting up the standard streams",
    Descriptors = "closing descriptors",
    WorkingDirectory = "changing to the working directory",
    WorkingDirectoryOutside = "the working directory lies outside the container's root:",
    Groups = "setting the groups",
    User = "setting the user",
    NoNewPrivileges = "setting no_new_privs",
    Capabilities = "setting the capabilities",
    Seccomp = "installing the seccomp filter",
    Lookup = "finding the program",
    Exec = "executing",
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}
