//! The file as the user names it: a path, or `-` for standard input.

use std::fs::File;
use std::io::{self, Read};

use config::MAX_BYTES;
use zeroize::Zeroizing;

use crate::ui::Failure;
use crate::view::visible::visible;

/// A file's bytes, tokens and all: wiped when they go.
pub struct Input {
    /// For messages: a file may have any name.
    pub name: String,
    /// One more than can be taken, at most: the reader of the file says that there are too many.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Input {
    /// Reads it.
    pub fn read(path: &str) -> Result<Self, Failure> {
        let read = if path == "-" {
            bounded(io::stdin().lock())
        } else {
            File::open(path).and_then(bounded)
        };
        match read {
            Ok(bytes) => Ok(Self {
                name: if path == "-" { "<stdin>".into() } else { visible(path) },
                bytes,
            }),
            Err(error) => Err(Failure::File {
                path: path.to_owned(),
                error,
            }),
        }
    }
}

fn bounded(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
