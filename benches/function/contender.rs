//! What is measured: a file to start, and the environment it is started in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One program that local-aws starts as Lambda would.
pub struct Contender {
    pub bootstrap: PathBuf,
    pub env: Vec<(String, String)>,
}

impl Contender {
    /// The function itself.
    pub fn function() -> Self {
        let built = env!("CARGO_BIN_EXE_ecr-pull-through-sync");
        let bootstrap = std::env::var_os("BOOTSTRAP").map_or_else(|| built.into(), PathBuf::from);
        Self { bootstrap: bootstrap.canonicalize().expect("the bootstrap"), env: Vec::new() }
    }

    /// The least that a function can be, built here, since nothing else needs it.
    pub fn minimal() -> Self {
        let profile = if is_released() { "release" } else { "bench" };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--package", "minimal-function", "--profile", profile])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(root())
            .output()
            .expect("cargo starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let made = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        Self { bootstrap: made.expect("cargo names what it has built"), env: Vec::new() }
    }

    /// The same job in Python, where there is a Python for it.
    pub fn boto3() -> Option<Self> {
        let python = std::env::var("PYTHON").ok().filter(|python| Path::new(python).exists());
        let Some(python) = python else {
            eprintln!("PYTHON names no interpreter: the boto3 column is left out");
            return None;
        };
        // Not canonicalized: the name is what tells Python that it is in its virtual environment.
        let python = std::path::absolute(python).unwrap().to_string_lossy().into_owned();
        let handler = root().join("benches/boto3");
        let env = [("PYTHON", python), ("PYTHONPATH", handler.to_string_lossy().into_owned())];
        let env = env.map(|(key, value)| (key.to_owned(), value)).to_vec();
        Some(Self { bootstrap: handler.join("bootstrap"), env })
    }

    /// Bytes of the file, and of a zip of it alone.
    pub fn sizes(&self) -> (u64, Option<u64>) {
        const ZIP: &str = "import io, sys, zipfile\nout = io.BytesIO()\n\
            with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as z: z.write(sys.argv[1], 'bootstrap')\n\
            print(len(out.getvalue()))";
        let zipped = Command::new("python3").args(["-c", ZIP]).arg(&self.bootstrap).output().ok();
        let zipped = zipped.and_then(|done| String::from_utf8_lossy(&done.stdout).trim().parse().ok());
        (std::fs::metadata(&self.bootstrap).unwrap().len(), zipped)
    }
}

/// Whether a bootstrap of `make build` is measured.
pub fn is_released() -> bool {
    std::env::var_os("BOOTSTRAP").is_some()
}

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
