//! What every command is given: the home, opened piece by piece as a command needs it, and the
//! terminal. The environment is read here and in `lib.rs`, nowhere else.

use crate::failure::{Failure, Result};
use crate::output::{Listing, Style};
use crate::text::{plain, plain_lines};
use rustix::termios::{isatty, tcgetwinsize};
use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use teu_containers::rootless::Membership;
use teu_containers::{Containers, Home};
use teu_images::Store;
use teu_network::Networks;

/// Columns where nobody says how many there are.
const WIDTH_DEFAULT: usize = 80;

/// One invocation.
pub struct Context {
    home: Home,
    images: OnceCell<Store>,
    containers: OnceCell<Containers>,
    networks: OnceCell<Networks>,
    membership: OnceCell<Membership>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Context {
    /// For the system's instance, or the one beneath `root`.
    pub fn new(root: Option<&Path>) -> Result<Self> {
        let home = match root {
            None if rustix::process::geteuid().is_root() => Home::system(),
            None => of_user()?,
            Some(root) => Home::at(&std::path::absolute(root)?),
        };
        Ok(Self {
            home,
            images: OnceCell::new(),
            containers: OnceCell::new(),
            networks: OnceCell::new(),
            membership: OnceCell::new(),
        })
    }

    /// Of the same home, for another thread.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            home: self.home.clone(),
            images: OnceCell::new(),
            containers: OnceCell::new(),
            networks: OnceCell::new(),
            membership: OnceCell::new(),
        }
    }

    /// An ordinary user becomes root of a user namespace before anything is opened.
    fn enter(&self) -> Result<()> {
        if self.membership.get().is_none() && !rustix::process::geteuid().is_root() {
            let membership = teu_containers::rootless::enter(&self.home)?;
            let _ = self.membership.set(membership);
        }
        Ok(())
    }

    /// Where everything is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The image store.
    pub fn images(&self) -> Result<&Store> {
        match self.images.get() {
            Some(store) => Ok(store),
            None => {
                self.enter()?;
                let store = Store::open(&self.home.data.join("images"))?;
                Ok(self.images.get_or_init(|| store))
            }
        }
    }

    /// Containers, pods and volumes.
    pub fn containers(&self) -> Result<&Containers> {
        match self.containers.get() {
            Some(containers) => Ok(containers),
            None => {
                self.enter()?;
                let program = PathBuf::from("/proc/self/exe");
                let containers = Containers::open(self.home.clone(), program)?;
                Ok(self.containers.get_or_init(|| containers))
            }
        }
    }

    /// Networks.
    pub fn networks(&self) -> Result<&Networks> {
        match self.networks.get() {
            Some(networks) => Ok(networks),
            None => {
                self.enter()?;
                let networks = Networks::open(self.home.networks())?;
                Ok(self.networks.get_or_init(|| networks))
            }
        }
    }

    /// Writes to standard output, at once.
    pub fn print(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes a line; control characters give way on a terminal.
    pub fn line(&self, text: &str) -> Result<()> {
        match out_is_terminal() {
            true => self.print(&(plain_lines(text).into_owned() + "\n")),
            false => self.print(&format!("{text}\n")),
        }
    }

    /// Writes a listing.
    pub fn list(&self, listing: &Listing<'_>, style: Style<'_>) -> Result<()> {
        let width = style.width.or_else(terminal_width);
        self.print(&listing.render(Style { width, ..style })?)
    }
}

/// Where an ordinary user's instance is: the XDG base directories.
fn of_user() -> Result<Home> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or_else(|| {
            Failure::new("neither XDG_DATA_HOME nor HOME says where this user's data is")
                .hint("set HOME, or give a folder with --root")
        })?;
    let uid = rustix::process::getuid();
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let run = absolute("XDG_RUNTIME_DIR").or_else(|| usual.is_dir().then_some(usual));
    // Without a session there is no folder that ends with it.
    let run = run.unwrap_or_else(|| data.join("teu/run"));
    Ok(Home { data: data.join("teu"), run: run.join("teu") })
}

/// `teu: …` for things that are not errors of the whole command.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "teu: {}", plain_lines(text));
}

/// `WARNING: …` as Docker prints it.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "WARNING: {}", plain(text));
}

/// Whether standard output is a terminal.
pub fn out_is_terminal() -> bool {
    isatty(rustix::stdio::stdout())
}

/// Columns of the terminal behind standard output, if it is one.
pub fn terminal_width() -> Option<usize> {
    let stdout = rustix::stdio::stdout();
    if !isatty(stdout) {
        return None;
    }
    match tcgetwinsize(stdout) {
        Ok(size) if size.ws_col > 0 => Some(size.ws_col.into()),
        _ => Some(WIDTH_DEFAULT),
    }
}

/// Columns to fold help at.
pub fn help_width() -> usize {
    terminal_width().unwrap_or(WIDTH_DEFAULT)
}
