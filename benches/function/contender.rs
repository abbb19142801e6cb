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
        Self {
            bootstrap: bootstrap.canonicalize().expect("the bootstrap"),
            env: Vec::new(),
        }
    }

    /// The least that a function can be, of the same build: beside a bootstrap that is given, the one that is given; beside
    /// one of this benchmark's profile, built here.
    pub fn minimal() -> Self {
        if is_released() {
            let given = std::env::var_os("MINIMAL")
                .expect("MINIMAL names the minimal function, as BOOTSTRAP does the function");
            return Self {
                bootstrap: PathBuf::from(given).canonicalize().expect("the minimal function"),
                env: Vec::new(),
            };
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "minimal-function",
                "--profile",
                "bench",
            ])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(root())
            .output()
            .expect("cargo starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let made = messages
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .next_back();
        Self {
            bootstrap: made.expect("cargo names what it has built"),
            env: Vec::new(),
        }
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
        let env = [
            ("PYTHON", python),
            ("PYTHONPATH", handler.to_string_lossy().into_owned()),
        ];
        let env = env.map(|(key, value)| (key.to_owned(), value)).to_vec();
        Some(Self {
            bootstrap: handler.join("bootstrap"),
            env,
        })
    }

    /// What `scripts/check_bootstrap.py` says of its size.
    pub fn sizes(&self) -> Sizes {
        const SIZES: &str = "import sys\nfrom check_bootstrap import BUDGETS, zipped\n\
            data = open(sys.argv[1], 'rb').read()\n\
            print(len(data), zipped(data), *BUDGETS['arm64' if sys.argv[2] == 'aarch64' else sys.argv[2]])";
        let python = Command::new("python3")
            .args(["-B", "-c", SIZES])
            .args([self.bootstrap.as_os_str(), std::env::consts::ARCH.as_ref()])
            .env("PYTHONPATH", root().join("scripts"))
            .output()
            .expect("python3 starts");
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        let said = String::from_utf8_lossy(&python.stdout).into_owned();
        let mut numbers = said.split_whitespace().map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        Sizes {
            file: next(),
            zip: next(),
            most: next(),
            most_zipped: next(),
        }
    }
}

/// Bytes of a file and of a zip of it alone, and the most that a bootstrap of this architecture may have.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub file: u64,
    pub zip: u64,
    pub most: u64,
    pub most_zipped: u64,
}

/// Whether a bootstrap of `make build` is measured.
pub fn is_released() -> bool {
    std::env::var_os("BOOTSTRAP").is_some()
}

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
