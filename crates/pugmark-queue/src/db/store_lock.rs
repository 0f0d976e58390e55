use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The right of one process to serve a SQLite file, held as a lock on `<path>.lock` until it is dropped or the process ends.
#[derive(Debug)]
pub struct StoreLock {
    /// Holds the operating system's lock for as long as it is open.
    _file: File,
    path: PathBuf,
}

/// Why the lock was not given.
#[derive(Debug, thiserror::Error)]
pub enum StoreLockError {
    /// Another process serves this file.
    #[error("another process{} already serves {}", holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), store.display())]
    Held {
        /// The SQLite file.
        store: PathBuf,
        /// The process, if it could write down its id.
        holder: Option<u32>,
    },
    /// The lock file cannot be made or locked.
    #[error("the lock file {} cannot be used: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl StoreLock {
    /// Takes the lock for the SQLite file `store`, without waiting.
    ///
    /// # Errors
    /// [`StoreLockError::Held`] when another process (or another `StoreLock` of this one) has it.
    pub fn acquire(store: &Path) -> Result<Self, StoreLockError> {
        let path = lock_path(store);
        let io = |source| StoreLockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreLockError::Held {
                    store: store.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        write_pid(&mut file).map_err(io)?;
        Ok(Self { _file: file, path })
    }

    /// The lock file. It stays when the lock is given up: removing it would let two processes lock two files of one name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
