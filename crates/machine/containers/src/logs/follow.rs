//! Lines in their order, over files that are rotated while they are read.

use super::files::{Folder, LogFile};
use super::{ENTRY_LIMIT_BYTES, LogLine, LogOptions, parse, tail};
use crate::{Containers, Error, Found, Hangup, Result, time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

const BUFFER_BYTES: usize = 64 << 10;
/// How soon a container without a listening shim, which lasts a moment only, is looked at again.
const LOOK_AGAIN_NS: i64 = 50_000_000;

/// Lines, oldest first. With `follow`, `next` waits.
#[derive(Debug)]
pub struct LogLines {
    folder: Folder,
    options: LogOptions,
    /// Files behind the one that is read.
    files: VecDeque<LogFile>,
    reader: Option<BufReader<std::fs::File>>,
    inode: Option<u64>,
    line: Vec<u8>,
    /// The line is longer than is believed; it is skipped to its end.
    overlong: bool,
    follower: Option<Follower>,
}

/// What is needed to wait.
#[derive(Debug)]
struct Follower {
    containers: Containers,
    pod: String,
    id: String,
    watch: OwnedFd,
    /// Readable when the shim has ended, however it ended, and its lock is free.
    shim: Option<OwnedFd>,
    ended: bool,
    hangup: Hangup,
}

impl LogLines {
    /// Ends when this hangs up.
    #[must_use]
    pub fn until(mut self, hangup: Hangup) -> Self {
        if let Some(follower) = &mut self.follower {
            follower.hangup = hangup;
        }
        self
    }

    /// Says whether the next line is there already, so that nobody need flush before it.
    pub fn has_more(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.buffer().contains(&b'\n'))
    }

    pub(super) fn open(
        containers: &Containers,
        found: &Found,
        options: &LogOptions,
    ) -> Result<Self> {
        let (pod, id) = (&found.pod.id, &found.record.id);
        let folder = Folder::open(&containers.home.container(pod, id))?;
        // The watch comes first: nothing is written unseen.
        let follower = (options.follow && found.state.needs_shim())
            .then(|| Follower::new(containers, pod, id, &folder))
            .transpose()?;
        let mut files = folder.newer_than(None)?;
        if let Some(wanted) = options.tail {
            seek_tail(&mut files, wanted).map_err(Error::io("read", &folder.path))?;
        }
        Ok(Self {
            folder,
            options: options.clone(),
            files: files.into(),
            reader: None,
            inode: None,
            line: Vec::new(),
            overlong: false,
            follower,
        })
    }

    /// The next whole line of the files that are there.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            let Some(reader) = &mut self.reader else {
                if !self.next_file() {
                    return Ok(false);
                }
                continue;
            };
            let buffer = reader.fill_buf().map_err(Error::io("read", &self.folder.path))?;
            if buffer.is_empty() {
                if !self.next_file() {
                    return Ok(false);
                }
                continue;
            }
            let (used, whole) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            };
            if self.line.len() + used > ENTRY_LIMIT_BYTES {
                self.overlong = true;
                self.line.clear();
            }
            if !self.overlong {
                self.line.extend_from_slice(&buffer[..used]);
            }
            reader.consume(used);
            if whole {
                if !std::mem::take(&mut self.overlong) {
                    return Ok(true);
                }
                self.line.clear();
            }
        }
    }

    /// A line that an older file ends in the middle of is lost with it.
    fn next_file(&mut self) -> bool {
        let Some(next) = self.files.pop_front() else { return false };
        self.inode = Some(next.inode);
        self.reader = Some(BufReader::with_capacity(BUFFER_BYTES, next.file));
        self.line.clear();
        self.overlong = false;
        true
    }

    /// At the end of all files: waits for more. False when nothing will come.
    fn wait(&mut self) -> Result<bool> {
        let Some(follower) = &mut self.follower else { return Ok(false) };
        if follower.ended {
            return Ok(false);
        }
        if !follower.wait(self.options.until_ns, &self.folder)? {
            return Ok(false);
        }
        if follower.is_over()? {
            // Once more to the end of what there is.
            follower.ended = true;
        }
        self.look_for_files()?;
        Ok(true)
    }

    /// The file that is read may have been rotated; the present one is not told twice.
    fn look_for_files(&mut self) -> Result<()> {
        let newer = self.folder.newer_than(self.inode)?;
        self.files.extend(newer);
        Ok(())
    }
}

impl Iterator for LogLines {
    type Item = Result<LogLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line() {
                Ok(true) => {
                    let line = parse(&self.line);
                    self.line.clear();
                    match line {
                        Some(line) if self.options.is_over(&line) => return None,
                        Some(line) if self.options.wants(&line) => return Some(Ok(line)),
                        _ => {}
                    }
                }
                Ok(false) => match self.wait() {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Follower {
    fn new(containers: &Containers, pod: &str, id: &str, folder: &Folder) -> Result<Self> {
        let failed = |errno: Errno| Error::sys("watch", &folder.path)(errno);
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, &folder.path, flags).map_err(failed)?;
        let shim = shim_end(containers, pod)?;
        Ok(Self {
            containers: containers.clone(),
            pod: pod.to_owned(),
            id: id.to_owned(),
            watch,
            shim,
            ended: false,
            hangup: Hangup::default(),
        })
    }

    /// Until something is written, the state changes or the shim ends; false when `until` is first.
    fn wait(&mut self, until_ns: Option<i64>, folder: &Folder) -> Result<bool> {
        // A shim that is about to listen, or to end, is looked for again.
        let look = self.shim.is_none().then_some(LOOK_AGAIN_NS);
        let timeout = match until_ns.map(|until| until - time::now_ns()) {
            Some(left) if left <= 0 => return Ok(false),
            left => left.into_iter().chain(look).min(),
        };
        let timeout = timeout.map(|left| Timespec {
            tv_sec: left / 1_000_000_000,
            tv_nsec: (left % 1_000_000_000) as _,
        });
        let mut wanted = vec![PollFd::new(&self.watch, PollFlags::IN)];
        if let Some(shim) = &self.shim {
            wanted.push(PollFd::new(shim, PollFlags::IN));
        }
        wanted.extend(self.hangup.poll());
        match poll(&mut wanted, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::sys("watch", &folder.path)(errno)),
        }
        let shim_ended =
            self.shim.is_some() && wanted.get(1).is_some_and(|shim| !shim.revents().is_empty());
        if shim_ended {
            self.shim = None;
        }
        if self.hangup.has_happened() {
            return Ok(false);
        }
        let mut space = [MaybeUninit::<u8>::uninit(); 8192];
        while rustix::io::read(&self.watch, &mut space).is_ok_and(|(read, _)| !read.is_empty()) {}
        Ok(true)
    }

    fn is_over(&mut self) -> Result<bool> {
        if self.shim.is_some() {
            // Cheap: what the shim has written is true as long as it lives.
            let state = self.containers.read_state(&self.pod, &self.id)?;
            return Ok(state.is_none_or(|state| !state.needs_shim()));
        }
        let state = self.containers.true_state(&self.pod, &self.id)?;
        let over = state.is_none_or(|state| !state.needs_shim());
        if !over {
            // Started anew since.
            self.shim = shim_end(&self.containers, &self.pod)?;
        }
        Ok(over)
    }
}

fn shim_end(containers: &Containers, pod: &str) -> Result<Option<OwnedFd>> {
    Ok(containers.shim(pod)?.and_then(|connection| connection.end_of_shim()))
}

/// Leaves the files from which the last lines begin, each at its place.
fn seek_tail(files: &mut Vec<LogFile>, wanted: u64) -> std::io::Result<()> {
    let mut left = wanted;
    let mut first = 0;
    for (index, file) in files.iter_mut().enumerate().rev() {
        let (offset, lines) = tail::offset(&file.file, left)?;
        file.file.seek(SeekFrom::Start(offset))?;
        first = index;
        left -= lines;
        if left == 0 {
            break;
        }
    }
    files.drain(..first);
    Ok(())
}
