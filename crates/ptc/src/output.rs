//! Writing files: each is written beside its place and renamed, so that none is ever there by half, and no symbolic link leads
//! out of the folder that was named. The folder itself may be a link: whoever named it chose it.

use std::fs::{self, FileType, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::ui::Failure;

pub struct OutputFile {
    folder: PathBuf,
    below: PathBuf,
}

impl OutputFile {
    /// A file below a folder, which may be missing yet.
    pub fn below(folder: &Path, below: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            below: below.into(),
        }
    }

    /// A file at a path that the user named.
    pub fn named(path: &Path) -> Result<Self, Failure> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Ok(Self {
                folder: folder.to_owned(),
                below: name.into(),
            }),
            _ => Err(file(
                path,
                io::Error::new(ErrorKind::InvalidInput, "is no name of a file"),
            )),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.below)
    }

    /// The path for messages.
    pub fn shown(&self) -> String {
        self.path().display().to_string()
    }

    /// Fails where a file is there already, and says what to do about it.
    pub fn must_be_new(&self, advice: &str) -> Result<(), Failure> {
        match self.standing()? {
            Some(_) => Err(in_the_way(&self.path(), format!("a file is there already; {advice}"))),
            None => Ok(()),
        }
    }

    /// Makes the folder that the file is to stand in.
    pub fn make_folder(&self) -> Result<(), Failure> {
        self.standing()?;
        let path = self.path();
        let Some(parent) = path.parent() else { return Ok(()) };
        fs::create_dir_all(parent).map_err(|error| file(parent, error))
    }

    /// What the file that is there holds.
    pub fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path();
        self.standing()?
            .map(|_| fs::read(&path))
            .transpose()
            .map_err(|error| file(&path, error))
    }

    /// Writes the file, over one that is there only if that is wanted.
    pub fn write(&self, text: &str, over: bool) -> Result<(), Failure> {
        let standing = self.standing()?;
        self.put(text, over, standing.map(|metadata| metadata.permissions()))
            .map_err(|error| file(&self.path(), error))
    }

    fn put(&self, text: &str, over: bool, permissions: Option<Permissions>) -> io::Result<()> {
        let path = self.path();
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ptc-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As of any new file; what the user's mask takes away is taken away.
            builder.permissions(Permissions::from_mode(0o666));
        }
        let mut beside = builder.tempfile_in(parent)?;
        beside.write_all(text.as_bytes())?;
        if let Some(permissions) = permissions {
            beside.as_file().set_permissions(permissions)?;
        }
        // Looked at again by the system, for a file that came in the meantime.
        let persisted = if over {
            beside.persist(&path)
        } else {
            beside.persist_noclobber(&path)
        };
        persisted.map(drop).map_err(|error| error.error)
    }

    /// The file that is there.
    fn standing(&self) -> Result<Option<Metadata>, Failure> {
        let mut path = self.folder.clone();
        let mut parts = self.below.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err(in_the_way(&self.path(), "leads out of the folder"));
            };
            path.push(name);
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(file(&path, error)),
            };
            let wanted: fn(&FileType) -> bool = if parts.peek().is_some() {
                FileType::is_dir
            } else {
                FileType::is_file
            };
            if metadata.is_symlink() {
                return Err(in_the_way(
                    &path,
                    "is a symbolic link, and nothing is written through one: take it away first",
                ));
            } else if !wanted(&metadata.file_type()) {
                return Err(in_the_way(
                    &path,
                    "is something else than what is to be written: take it away first",
                ));
            } else if parts.peek().is_none() {
                return Ok(Some(metadata));
            }
        }
        Ok(None)
    }
}

fn in_the_way(path: &Path, what: impl Into<String>) -> Failure {
    file(path, io::Error::new(ErrorKind::AlreadyExists, what.into()))
}

fn file(path: &Path, error: io::Error) -> Failure {
    Failure::File {
        path: path.display().to_string(),
        error,
    }
}
